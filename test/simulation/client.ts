import type { Reply } from '../../src/ports/reply.ts';

/** A client that waits for one answer, as the gateway sees it, and what it has got so far. */
export interface SimulatedClient {
  readonly reply: Reply;
  /** Undefined until the head came. */
  readonly status: number | undefined;
  readonly text: string;
  /** `complete`: the answer was ended by the gateway. `cut`: broken off. */
  readonly state: 'waiting' | 'complete' | 'cut' | 'left';
  leave(): void;
}

export function createClient(): SimulatedClient {
  const listeners: (() => void)[] = [];
  let state: SimulatedClient['state'] = 'waiting';
  let status: number | undefined;
  let text = '';
  const gone = (): void => {
    for (const each of listeners.splice(0)) each();
  };
  return {
    reply: {
      get closed() {
        return state !== 'waiting';
      },
      get headSent() {
        return status !== undefined;
      },
      carry: () => undefined,
      head(code) {
        if (status !== undefined) throw new Error('a second head was sent');
        status = code;
      },
      write(chunk) {
        if (state === 'waiting') text += String(chunk);
        return true;
      },
      end(chunk = '') {
        if (state !== 'waiting') return;
        text += String(chunk);
        state = 'complete';
      },
      cut() {
        if (state !== 'waiting') return;
        state = 'cut';
        gone();
      },
      onGone: (listener) => void listeners.push(listener),
      onDrain: () => undefined,
    },
    get status() {
      return status;
    },
    get text() {
      return text;
    },
    get state() {
      return state;
    },
    leave() {
      if (state !== 'waiting') return;
      state = 'left';
      gone();
    },
  };
}

/** The JSON-RPC messages of an answer, whatever form it has. */
export function messagesOf({ text }: SimulatedClient): Record<string, unknown>[] {
  const lines = text.startsWith('{') ? [text] : text.split('\n').flatMap((line) => (line.startsWith('data: {') ? [line.slice(6)] : []));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

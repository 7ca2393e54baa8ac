/** What one side of a talk may ask of the other: by name, what is given and what is answered. */
export type Asks<Own> = { [What in keyof Own]: { given: unknown; answer: unknown } };

export type Answering<Own extends Asks<Own>> = {
  readonly [What in keyof Own]: (given: Own[What]['given']) => Own[What]['answer'] | Promise<Own[What]['answer']>;
};

export interface Talk<Others extends Asks<Others>> {
  /** @throws Error where the other side failed, is gone, or did not answer within so many milliseconds */
  ask<What extends keyof Others & string>(what: What, given: Others[What]['given'], withinMs: number): Promise<Others[What]['answer']>;
  /** The other side is gone: whatever waits for it, and is asked from now on, rejects. */
  end(): void;
}

/** The pipe between two processes, parent and child: nobody else can write into it. */
export interface Channel {
  send(message: object, failed: (error: Error) => void): void;
  onMessage(listener: (message: unknown) => void): void;
}

interface Message {
  readonly ask?: number;
  readonly what?: string;
  readonly given?: unknown;
  readonly answer?: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Questions and answers over a pipe, both ways at a time. */
export function createTalk<Own extends Asks<Own>, Others extends Asks<Others>>(channel: Channel, answering: Answering<Own>): Talk<Others> {
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let ended = false;
  const settle = (id: number): Waiting | undefined => {
    const one = waiting.get(id);
    waiting.delete(id);
    return one;
  };
  const answer = async (id: number, what: string, given: unknown): Promise<void> => {
    let message: Message;
    try {
      const act: ((given: never) => unknown) | undefined = answering[what as keyof Own];
      message = { answer: id, value: await act?.(given as never) };
    } catch (error) {
      message = { answer: id, error: error instanceof Error ? error.message : String(error) };
    }
    // Whoever asked has gone; there is nobody to tell.
    if (!ended) channel.send(message, () => undefined);
  };
  channel.onMessage((received) => {
    if (typeof received !== 'object' || received === null) return;
    const { ask, what, given, answer: answered, value, error } = received as Message;
    if (ask !== undefined && what !== undefined) void answer(ask, what, given);
    if (answered === undefined) return;
    if (error === undefined) settle(answered)?.resolve(value);
    else settle(answered)?.reject(new Error(error));
  });
  return {
    async ask(what, given, withinMs) {
      if (ended) throw new Error(gone);
      asked += 1;
      const id = asked;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.set(id, { resolve, reject });
      const late = setTimeout(() => settle(id)?.reject(new Error(`no answer within ${withinMs} ms`)), withinMs);
      channel.send({ ask: id, what, given } satisfies Message, (error) => settle(id)?.reject(error));
      return await promise.finally(() => clearTimeout(late));
    },
    end() {
      ended = true;
      for (const { reject } of waiting.values()) reject(new Error(gone));
      waiting.clear();
    },
  };
}

const gone = 'the other process has ended';

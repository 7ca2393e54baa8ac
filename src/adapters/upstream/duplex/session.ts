import type { Outlet } from './outlet.ts';

/** What waits for a session's stream while it is not open; beyond either, the oldest is dropped. */
const waitingMax = 256;
const waitingBytesMax = 1024 * 1024;

/** One client's session on a link: its own stream (GET), and what it asked to be told. */
export interface Session {
  readonly id: string;
  readonly keyId: string;
  /** URIs of the resources it subscribed to, where sessions share a link. */
  readonly subscriptions: Set<string>;
  /** The least severe log level it asked for, as a rank; undefined where it asked for none. */
  level: number | undefined;
  readonly streamOpen: boolean;
  /** Since when nothing of it runs, in milliseconds of `performance.now()`; undefined while something does. */
  readonly restingSince: number | undefined;
  /** Keeps it from counting as idle until the returned function is called. */
  busy(): () => void;
  /** Opens its stream. False where one is open already. */
  attach(outlet: Outlet): boolean;
  detach(outlet: Outlet): void;
  /** Sends on its stream, or keeps until one is opened. @param onDropped called where it never goes out */
  push(bytes: Buffer, onDropped?: () => void): void;
  close(): void;
}

/** @param options.onIdle called when nothing of it has run for `idleMs` @param options.listens false where there is never a stream to wait for */
export function createSession(options: { id: string; keyId: string; idleMs: number; onIdle: () => void; listens: boolean }): Session {
  const { id, keyId, idleMs, onIdle } = options;
  let waiting: { bytes: Buffer; onDropped: (() => void) | undefined }[] = [];
  let waitingBytes = 0;
  let stream: Outlet | undefined;
  let running = 0;
  let closed = false;
  let idle: NodeJS.Timeout | undefined;
  let restedAt = 0;
  const rest = (): void => {
    clearTimeout(idle);
    if (running > 0 || stream || closed) return;
    restedAt = performance.now();
    idle = setTimeout(onIdle, idleMs);
    idle.unref();
  };
  rest();

  return {
    id,
    keyId,
    subscriptions: new Set(),
    level: undefined,
    get streamOpen() {
      return stream !== undefined;
    },
    get restingSince() {
      return running > 0 || stream ? undefined : restedAt;
    },
    busy() {
      running += 1;
      clearTimeout(idle);
      let over = false;
      return () => {
        if (over) return;
        over = true;
        running -= 1;
        rest();
      };
    },
    attach(outlet) {
      if (stream) return false;
      stream = outlet;
      clearTimeout(idle);
      outlet.open();
      const kept = waiting;
      waiting = [];
      waitingBytes = 0;
      for (const { bytes } of kept) outlet.event(bytes);
      return true;
    },
    detach(outlet) {
      if (stream !== outlet) return;
      stream = undefined;
      rest();
    },
    push(bytes, onDropped) {
      if (stream?.event(bytes)) return;
      if (!options.listens || closed) return onDropped?.();
      waiting.push({ bytes, onDropped });
      waitingBytes += bytes.length;
      while (waiting.length > waitingMax || waitingBytes > waitingBytesMax) {
        const oldest = waiting.shift();
        if (!oldest) break;
        waitingBytes -= oldest.bytes.length;
        oldest.onDropped?.();
      }
    },
    close() {
      closed = true;
      clearTimeout(idle);
      stream?.end();
      stream = undefined;
      waiting = [];
    },
  };
}

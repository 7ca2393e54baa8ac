import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** What happens to the bytes of one direction. Those of TCP that arrive arrive in order: a direction that was swallowed stays so until its connection ends. */
export type Fault =
  /** Each piece comes so many milliseconds later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Nothing arrives any more, and the connection stays open: half-open, as when a firewall forgets it. */
  | { readonly kind: 'swallow' }
  /** After so many bytes of the connection both sides are closed in the ordinary way (FIN). */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** The same by a reset (RST). */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** After so many bytes nothing follows, as if that had been all; the other direction stays open. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** Each piece arrives twice. */
  | { readonly kind: 'duplicate' }
  /** So many bytes at a time. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number };

export interface FaultProxy {
  readonly port: number;
  /** From now on, also for connections there are. */
  toServer(fault: Fault | undefined): void;
  toClient(fault: Fault | undefined): void;
  /** New connections are closed at once. */
  refuse(refusing: boolean): void;
  /** Connections that are open now. */
  open(): number;
  /** Connections accepted so far. */
  accepted(): number;
  /** Breaks every connection there is. */
  resetAll(): void;
  close(): Promise<void>;
}

/** A way to a server on 127.0.0.1 that fails on command. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const faults: { toServer: Fault | undefined; toClient: Fault | undefined } = { toServer: undefined, toClient: undefined };
  const open = new Set<Socket>();
  let accepted = 0;
  let refusing = false;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    accepted += 1;
    if (refusing) return void near.resetAndDestroy();
    const far = dial({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => open.delete(socket));
    }
    carry(near, far, () => faults.toServer);
    carry(far, near, () => faults.toClient);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  return {
    port: address.port,
    toServer(fault) {
      faults.toServer = fault;
    },
    toClient(fault) {
      faults.toClient = fault;
    },
    refuse(now) {
      refusing = now;
    },
    open: () => open.size / 2,
    accepted: () => accepted,
    resetAll() {
      for (const socket of open) socket.resetAndDestroy();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** One direction of one connection. Pieces go on one after the other, whatever is done to them. */
function carry(from: Socket, to: Socket, fault: () => Fault | undefined): void {
  let bytes = 0;
  let state: 'open' | 'swallowed' | 'ended' = 'open';
  let last = Promise.resolve();
  const inTurn = (act: () => Promise<void> | void): void => {
    last = last.then(act).catch(() => undefined);
  };
  const write = (piece: Buffer): void => {
    if (piece.length > 0 && !to.destroyed && to.writable) to.write(piece);
  };
  const pass = async (piece: Buffer): Promise<void> => {
    const now = fault();
    if (now?.kind === 'swallow') state = 'swallowed';
    if (state !== 'open') return;
    const before = bytes;
    bytes += piece.length;
    if (now === undefined) return write(piece);
    if (now.kind === 'delay') await pause(now.ms).then(() => write(piece));
    else if (now.kind === 'duplicate') write(Buffer.concat([piece, piece]));
    else if (now.kind === 'drip') {
      for (let at = 0; at < piece.length && !to.destroyed && !from.destroyed; at += now.bytes) {
        // It was ended meanwhile: the rest need not wait.
        if (fault() !== now) return write(piece.subarray(at));
        write(piece.subarray(at, at + now.bytes));
        await pause(now.everyMs);
      }
    } else if (now.kind !== 'swallow') {
      if (bytes <= now.afterBytes) return write(piece);
      state = 'ended';
      write(piece.subarray(0, Math.max(0, now.afterBytes - before)));
      if (now.kind === 'truncate') return void to.end();
      // What was written is to arrive before the end does.
      await new Promise<void>((resolve) => (to.destroyed ? resolve() : to.write('', () => resolve())));
      for (const side of [from, to]) {
        if (now.kind === 'reset') side.resetAndDestroy();
        else side.destroy();
      }
    }
  };
  from.on('data', (piece: Buffer) => inTurn(() => pass(piece)));
  from.on('end', () => inTurn(() => (state === 'open' ? void to.end() : undefined)));
  from.on('close', (broken) => {
    if (broken) to.resetAndDestroy();
    else inTurn(() => (state === 'swallowed' ? undefined : void to.destroySoon()));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

import { createCarrier } from './bridge-carry.ts';
import { linesOf } from './bridge-lines.ts';
import { errorLine, type Outgoing, readOutgoing } from './bridge-message.ts';
import { createWire } from './bridge-wire.ts';

export interface BridgeOptions {
  readonly url: URL;
  /** The agent key, sent as a bearer credential and shown nowhere. */
  readonly key: string;
  /** Newline-delimited JSON-RPC from the client (MCP, stdio transport). */
  readonly input: AsyncIterable<Uint8Array | string>;
  out(text: string): void | Promise<void>;
  /** Notes for a person: standard error. */
  tell(text: string): void;
  /** Ends the bridge as the end of the input does. */
  readonly signal?: AbortSignal;
  /** How long calls that are running may take once the client has gone, in milliseconds. */
  readonly drainMs?: number;
}

/** Clients that stop a stdio server wait about two seconds before they kill it. */
const drainMsDefault = 1_500;

/** Passes messages between a client that speaks stdio and a gateway that speaks HTTP. Resolves when the client has gone. */
export async function runBridge(options: BridgeOptions): Promise<void> {
  const { url, key, input, out, tell, signal, drainMs = drainMsDefault } = options;
  const stop = new AbortController();
  const wire = createWire({ url, key, userAgent: 'keygate-connect' });
  const carrier = createCarrier({ wire, tell, stop: stop.signal, write: async (line) => await out(`${line}\n`) });
  const running = new Set<Promise<void>>();
  try {
    for await (const line of linesOf(input, signal)) {
      if (line.trim() === '') continue;
      const outgoing = readOutgoing(line);
      if (outgoing === undefined) {
        await out(`${errorLine(null, -32700, 'The line is not one JSON-RPC message.')}\n`);
        continue;
      }
      const done = carrier.carry(outgoing);
      running.add(done);
      void done.finally(() => running.delete(done));
      if (keepsItsPlace(outgoing)) await done;
    }
    await settledWithin(running, drainMs);
  } finally {
    stop.abort();
    await wire.end();
    await carrier.ended();
  }
}

/**
 * Requests may overtake each other, as on any MCP transport. What prepares for later messages may not: the handshake, notifications
 * and answers to the gateway.
 */
function keepsItsPlace(outgoing: Outgoing): boolean {
  return outgoing.method === 'initialize' || outgoing.ids.length === 0;
}

async function settledWithin(running: ReadonlySet<Promise<void>>, ms: number): Promise<void> {
  if (running.size === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(running), late]);
  clearTimeout(timer);
}

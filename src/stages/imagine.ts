import type { Policy } from '../domain/policy.ts';
import { scan } from '../domain/scan.ts';
import type { Caller } from '../ports/callers.ts';
import type { Reply } from '../ports/reply.ts';
import type { Throttle } from '../ports/throttle.ts';
import type { Authenticated } from './reached.ts';

/** A call that nobody made: what a dry run is about. */
export interface Imagined {
  readonly policy: Policy;
  readonly caller: Caller;
  /** The last part of the path: an upstream, an agent or a bot. */
  readonly upstream: string;
  /** Default `tools/call`. */
  readonly method?: string | undefined;
  /** The tool; for other methods the prompt or the URI. */
  readonly tool: string;
  readonly arguments?: unknown;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Absent: whatever address the key admits. */
  readonly address?: string | undefined;
}

/** The call as the gateway would have it once its caller is known, so that a dry run walks through the very stages. */
export function imagine({ policy, caller, upstream, tool, now, address, ...call }: Imagined): Authenticated {
  const { method = 'tools/call' } = call;
  const byUri = method.startsWith('resources/');
  const params = byUri ? { uri: tool } : { name: tool, ...(call.arguments === undefined ? {} : { arguments: call.arguments }) };
  const { jsonDepthMax, jsonNodesMax } = policy.limits;
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  return {
    requestId: 'imagined',
    at: now,
    began: 0,
    verb: 'POST',
    httpVersion: '1.1',
    path: `/mcp/${upstream}`,
    headers: {},
    rawHeaders: [],
    address: address ?? '',
    readBody: async () => body,
    reply: nobody,
    draining: false,
    policy,
    scanned: scan(body, { depthMax: jsonDepthMax, nodesMax: jsonNodesMax }),
    caller: address === undefined ? { ...caller, admitsAddress: () => true } : caller,
  };
}

const nothing = (): void => undefined;

/** Nobody waits for an answer. */
const nobody: Reply = {
  closed: true,
  headSent: false,
  carry: nothing,
  head: nothing,
  write: () => false,
  end: nothing,
  cut: nothing,
  onGone: nothing,
  onDrain: nothing,
};

/** Asking takes nothing of a rate. */
export const untouched: Throttle = {
  take: async ({ calls }) => ({ allowed: true, retryAfterMs: 0, remaining: calls, resetMs: 0 }),
};

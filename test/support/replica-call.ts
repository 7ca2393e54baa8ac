import { Pool } from 'undici';
import { type Posted, toolCall } from './post.ts';

/** Sockets to one gateway, all kept alive. */
const socketsMax = 48;
/** No answer of a gateway takes this long, whatever is wrong behind it: what does is a hung request. */
export const answerMsMax = 20_000;

/** What came of a call. */
export interface Outcome {
  readonly tool: string;
  /** `passed`, a reason of the closed table, or `lost` where the connection broke. */
  readonly result: string;
  readonly status: number;
  /** Of a refusal. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly ms: number;
}

/** Calls tools of the upstream `up` through one gateway, over connections that are kept. */
export interface Caller {
  /** @throws Error where the gateway does not answer at all, which is no outcome */
  call(key: string, tool: string): Promise<Outcome>;
  close(): Promise<void>;
}

export function openCaller(mcpUrl: string): Caller {
  const pool = new Pool(mcpUrl, { connections: socketsMax, headersTimeout: answerMsMax, bodyTimeout: answerMsMax });
  return { call: (key, tool) => call(pool, { key, tool }), close: () => pool.destroy() };
}

async function call(pool: Pool, { key, tool }: { key: string; tool: string }): Promise<Outcome> {
  const began = performance.now();
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  try {
    const answer = await pool.request({ method: 'POST', path: '/mcp/up', headers, body: JSON.stringify(toolCall(tool, {}, tool)) });
    const text = await answer.body.text();
    const { id, result, error } = JSON.parse(text) as Posted;
    if (id !== tool && answer.statusCode !== 401) throw new Error(`the answer to ${tool} is another's: ${text}`);
    const told = result === undefined ? String(error?.data?.['reason'] ?? `unreadable: ${text}`) : 'passed';
    return { tool, result: told, status: answer.statusCode, facts: error?.data ?? {}, ms: performance.now() - began };
  } catch (error) {
    if (!isBroken(error)) throw new Error(`${tool} came to nothing after ${Math.round(performance.now() - began)} ms`, { cause: error });
    return { tool, result: 'lost', status: 0, facts: {}, ms: performance.now() - began };
  }
}

/** A connection that broke because its gateway is gone. A request that nobody answers is another thing. */
function isBroken(error: unknown): boolean {
  const code = String((error as { code?: unknown }).code);
  return ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_DESTROYED', 'UND_ERR_CLOSED'].includes(code);
}

/** One line from the client, read as far as carrying it needs. The text itself is sent on as it came. */
export interface Outgoing {
  readonly text: string;
  /** Of the requests in it: one, or several in a batch (2025-03-26); empty for notifications and responses. */
  readonly ids: readonly (string | number)[];
  /** Undefined for responses and batches. */
  readonly method: string | undefined;
  /** Headers that the 2026-07-28 transport requires to repeat the body; empty in the session era, where headers decide nothing. */
  readonly headers: Readonly<Record<string, string>>;
  /** The request that a `notifications/cancelled` is about. */
  readonly cancels: string | number | undefined;
}

type Members = Readonly<Record<string, unknown>>;

/** Undefined where the line is not a JSON object or array. */
export function readOutgoing(text: string): Outgoing | undefined {
  const value = parse(text);
  if (Array.isArray(value)) return { text, ids: value.flatMap(requestIds), method: undefined, headers: {}, cancels: undefined };
  const message = members(value);
  if (message === undefined) return undefined;
  const method = typeof message.method === 'string' ? message.method : undefined;
  const params = members(message.params) ?? {};
  const cancelled = method === 'notifications/cancelled' ? params.requestId : undefined;
  return {
    text,
    ids: requestIds(message),
    method,
    headers: method === undefined ? {} : statelessHeaders(method, params),
    cancels: isId(cancelled) ? cancelled : undefined,
  };
}

/** One message from the gateway, as a line, and what the bridge must know of it. */
export interface Incoming {
  readonly line: string;
  /** The request it answers; null where it answers one that could not be read; undefined where it is no answer. */
  readonly answers: string | number | null | undefined;
  readonly isError: boolean;
  readonly errorMessage: string | undefined;
  /** `result.protocolVersion`, which stands in the answer to initialize. */
  readonly protocolVersion: string | undefined;
}

/** The messages in a body or an event; batches are taken apart, since answers find their requests by id. Undefined where it is not JSON-RPC. */
export function readIncoming(text: string): Incoming[] | undefined {
  const value = parse(text);
  if (Array.isArray(value)) {
    const all = value.map((element) => incomingOf(JSON.stringify(element), element));
    return all.every((one) => one !== undefined) ? all : undefined;
  }
  // Line breaks stand only between JSON's tokens, never inside its strings; the client reads line by line.
  const one = incomingOf(text.replace(/[\r\n]+/g, ' ').trim(), value);
  return one === undefined ? undefined : [one];
}

/** The same answer for the request it must be meant for: a gateway that could not read an id says null, which no client can place. */
export function readdressed(incoming: Incoming, id: string | number): Incoming {
  return { ...incoming, answers: id, line: JSON.stringify({ ...(JSON.parse(incoming.line) as object), id }) };
}

/** A JSON-RPC error for the client, made here. */
export function errorLine(id: string | number | null, code: number, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } });
}

function incomingOf(line: string, value: unknown): Incoming | undefined {
  const message = members(value);
  if (message?.jsonrpc !== '2.0') return undefined;
  const isError = 'error' in message;
  const isAnswer = isError || 'result' in message;
  const { id } = message;
  const errorMessage = members(message.error)?.message;
  const protocolVersion = members(message.result)?.protocolVersion;
  return {
    line,
    answers: isAnswer ? (isId(id) ? id : null) : undefined,
    isError,
    errorMessage: typeof errorMessage === 'string' ? errorMessage : undefined,
    protocolVersion: typeof protocolVersion === 'string' ? protocolVersion : undefined,
  };
}

/** 2026-07-28, transports: MCP-Protocol-Version, Mcp-Method and Mcp-Name equal what stands in the body. */
function statelessHeaders(method: string, params: Members): Record<string, string> {
  const version = members(params._meta)?.['io.modelcontextprotocol/protocolVersion'];
  if (typeof version !== 'string') return {};
  const name = method.startsWith('tasks/') ? params.taskId : method.startsWith('resources/') ? params.uri : params.name;
  return {
    'mcp-protocol-version': headerValue(version),
    'mcp-method': headerValue(method),
    ...(typeof name === 'string' ? { 'mcp-name': headerValue(name) } : {}),
  };
}

/** What a header cannot carry as it is goes in the specification's own wrapping. */
function headerValue(text: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?')) return text;
  return `=?base64?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}

function requestIds(value: unknown): (string | number)[] {
  const message = members(value);
  return message !== undefined && typeof message.method === 'string' && isId(message.id) ? [message.id] : [];
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function members(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

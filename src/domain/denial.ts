/**
 * The closed table of refusals. Everything keygate refuses is one of these reasons; anything else that goes
 * wrong is a fault, becomes INTERNAL with its cause, and is loud.
 *
 * HTTP statuses and JSON-RPC codes are public (docs/refusals.md). keygate's own codes stay outside
 * -32768..-32000, which JSON-RPC 2.0 section 5.1 reserves; the MCP codes are those of the 2026-07-28 specification.
 */

/** What an expected refusal does on the wire: HTTP status and JSON-RPC error code, and who reads the text. */
export interface DenialForm {
  readonly status: number;
  readonly code: number;
  /** What the caller should do, in one sentence. Public: it carries no internal detail. */
  readonly advice: string;
}

/** Refusals that are the call's own answer: HTTP 200 in the default `jsonrpc` mode, so that clients keep code and message. */
type CallAnswer = { readonly asCallAnswer: true; readonly httpModeStatus: number };

const table = {
  TOKEN_MISSING: { status: 401, code: -31401, advice: 'Send the agent key as "Authorization: Bearer <key>".' },
  TOKEN_INVALID: {
    status: 401,
    code: -31401,
    advice: 'This key is not known here. Check that it was copied whole and belongs to this gateway, or mint a new one.',
  },
  TOKEN_EXPIRED: {
    status: 401,
    code: -31401,
    advice: 'This key or access token has expired. Reissue the key, or get another access token with it.',
  },
  TOKEN_REVOKED: { status: 401, code: -31401, advice: 'This key, or the key it descends from, was revoked. Mint a new key.' },
  WRONG_ENDPOINT: {
    status: 401,
    code: -31401,
    advice: 'This path is for the keys of another agent, bot or organisation. Use the path this key was minted for.',
  },
  ORIGIN_NOT_ALLOWED: {
    status: 403,
    code: -31403,
    advice: 'This Host or Origin is not allowed. Use the public URL, or add the origin to listen.origins.',
  },
  INSUFFICIENT_SCOPE: { status: 403, code: -31403, advice: 'The key lacks a scope that this call needs. Use a key with the scopes named.' },
  TOOL_NOT_ALLOWED: {
    status: 403,
    code: -31403,
    advice: 'No rule admits this for the key. Call what the list methods show, or ask the operator for a rule.',
  },
  WRONG_ENVIRONMENT: {
    status: 403,
    code: -31403,
    advice: 'Test keys reach only test upstreams and live keys only live ones. Use a key of the other environment.',
  },
  WRONG_KEY_KIND: { status: 403, code: -31403, advice: 'This kind of key is not meant for this path. Use a key of the kind named.' },
  ADDRESS_NOT_ALLOWED: { status: 403, code: -31403, advice: 'The key may not be used from this address.' },
  STEP_UP_REQUIRED: { status: 403, code: -31403, advice: 'This call needs a fresh second factor. Verify, then call again.' },
  BUDGET_EXHAUSTED: {
    status: 200,
    code: -31402,
    asCallAnswer: true,
    httpModeStatus: 429,
    advice: 'The budget for this window is used up. Wait for the reset or have it raised.',
  },
  CAP_EXCEEDED: {
    status: 200,
    code: -31402,
    asCallAnswer: true,
    httpModeStatus: 429,
    advice: 'The number of calls for this window is used up. Wait for the reset or have it raised.',
  },
  BALANCE_EXHAUSTED: {
    status: 200,
    code: -31402,
    asCallAnswer: true,
    httpModeStatus: 429,
    advice: 'The account balance does not cover this call. Credit the account.',
  },
  POLICY_DENIED: {
    status: 200,
    code: -31430,
    asCallAnswer: true,
    httpModeStatus: 403,
    advice: 'The rule does not admit this call as it is. Change the arguments named, or call when the limit named allows it.',
  },
  APPROVAL_REQUIRED: { status: 200, code: -31430, asCallAnswer: true, httpModeStatus: 403, advice: 'This call waits for an approval.' },
  RATE_LIMITED: { status: 429, code: -31429, advice: 'Too many requests. Slow down and retry after the time named.' },
  INVALID_MESSAGE: { status: 400, code: -32600, advice: 'The body is not one valid JSON-RPC 2.0 message.' },
  PARSE_ERROR: { status: 400, code: -32700, advice: 'The body is not valid JSON in UTF-8.' },
  HEADER_MISMATCH: {
    status: 400,
    code: -32020,
    advice: 'The MCP headers are missing or differ from the body. Send Mcp-Method and Mcp-Name equal to the body.',
  },
  UNSUPPORTED_VERSION: { status: 400, code: -32022, advice: 'This protocol version is not supported. Use one of the versions listed.' },
  META_MISSING: {
    status: 400,
    code: -32602,
    advice: 'Protocol 2026-07-28 requires protocolVersion and clientCapabilities in params._meta.',
  },
  METHOD_NOT_ALLOWED: { status: 405, code: -31405, advice: 'This path does not take this HTTP method.' },
  STREAM_CONFLICT: { status: 409, code: -31409, advice: 'A stream is already open for this session. Close it first.' },
  INTERNAL: {
    status: 500,
    code: -31500,
    advice: 'The gateway failed. The call was not forwarded unless said otherwise; quote the request id to the operator.',
  },
  UNKNOWN_METHOD: { status: 404, code: -32601, advice: 'This method is not served here.' },
  UNKNOWN_ENDPOINT: {
    status: 404,
    code: -31404,
    advice: 'There is nothing at this path. Use /mcp/<upstream>, or the path of your own agent or bot.',
  },
  SESSION_NOT_FOUND: {
    status: 404,
    code: -31404,
    advice: 'The session, event, task or state is unknown here or has ended. Begin anew: initialize, or make the call again.',
  },
  TASK_NOT_FOUND: {
    status: 404,
    code: -32602,
    advice: 'This task is unknown here, or was given to another key, path or upstream. Use an id that this key was given.',
  },
  CAPABILITY_MISSING: {
    status: 400,
    code: -32021,
    advice: 'The client has to declare the capability that this method needs. Declare those named, in params._meta.',
  },
  NOT_ACCEPTABLE: { status: 406, code: -31406, advice: 'Send "Accept: application/json, text/event-stream".' },
  MESSAGE_TOO_LARGE: { status: 413, code: -31413, advice: 'The body is larger than this gateway accepts. Send less.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, code: -31415, advice: 'Send "Content-Type: application/json" without a content encoding.' },
  UPSTREAM_FAILED: {
    status: 502,
    code: -31502,
    advice: 'The upstream server failed to answer properly. The call may have taken effect if it was sent.',
  },
  UPSTREAM_TIMEOUT: { status: 504, code: -31504, advice: 'The upstream server did not answer in time. The call may have taken effect.' },
  STORE_UNAVAILABLE: { status: 503, code: -31503, advice: 'The store cannot be reached, so nothing can be admitted. Retry later.' },
  JOURNAL_UNAVAILABLE: { status: 503, code: -31503, advice: 'The call cannot be recorded, so it is not admitted. Retry later.' },
  UPSTREAM_UNAVAILABLE: {
    status: 503,
    code: -31503,
    advice: 'The upstream server is failing and is not being called for now. Retry later.',
  },
  OVERLOADED: { status: 503, code: -31503, advice: 'The gateway is at its limit. Retry later.' },
  DRAINING: { status: 503, code: -31503, advice: 'This gateway is shutting down. Retry; another replica will answer.' },
} as const satisfies Record<string, DenialForm | (DenialForm & CallAnswer)>;

export type Reason = keyof typeof table;

export const denialTable: Readonly<Record<Reason, DenialForm & Partial<CallAnswer>>> = table;

/** Facts a refusal carries to the caller (`error.data`). Amounts are decimal strings, times ISO 8601, waits milliseconds. */
export interface DenialFacts {
  readonly rule?: string | undefined;
  /** Stands beside `rule`: which text of the upstream's rules decided. */
  readonly ruleRevision?: string | undefined;
  readonly limit?: string | number | undefined;
  readonly spent?: string | number | undefined;
  readonly held?: string | number | undefined;
  readonly resetAt?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** Scopes that would suffice together with those held (the union, mcp-facts: the client asks for just what it is told). */
  readonly scope?: readonly string[] | undefined;
  /** Anything else that the caller may know, such as `supported` protocol versions (2026-07-28, -32022). */
  readonly [fact: string]: unknown;
}

/** An expected refusal. Thrown by stages, caught once, in gateway.ts. */
export class Denial extends Error {
  override readonly name = 'Denial';
  readonly reason: Reason;
  readonly facts: DenialFacts;
  /** True where the record is already in the journal (a refusal by admit is written in admit's own commit). */
  readonly recorded: boolean;

  constructor(reason: Reason, options: { detail?: string; facts?: DenialFacts; recorded?: boolean; cause?: unknown } = {}) {
    super(options.detail ? `${options.detail} ${table[reason].advice}` : table[reason].advice, { cause: options.cause });
    this.reason = reason;
    this.facts = options.facts ?? {};
    this.recorded = options.recorded ?? false;
  }
}

import { type EraRequest, inSession, stateless } from '../support/eras.ts';

/**
 * What real traffic looks like on the wire, one request or a few pipelined ones each. Keys and sessions stand there as marks of their own, so
 * that a case says the same against every gateway: they are put in after a case was changed, wherever the mark is still whole.
 */
export interface Seed {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Marks and what they stand for. */
export const marks = {
  reader: '@@READER@@',
  trader: '@@TRADER@@',
  capped: '@@CAPPED@@',
  revoked: '@@REVOKED@@',
  session: '@@SESSION@@',
} as const;

export type MarkName = keyof typeof marks;

const json = 'Content-Type: application/json';
const both = 'Accept: application/json, text/event-stream';

function wire(verb: string, target: string, lines: readonly string[], body?: string): string {
  const framed = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return `${[`${verb} ${target} HTTP/1.1`, 'Host: localhost', ...lines, ...framed].join('\r\n')}\r\n\r\n${body ?? ''}`;
}

function bearer(mark: MarkName): string {
  return `Authorization: Bearer ${marks[mark]}`;
}

function message({ body, headers }: EraRequest, { at = '/mcp/up', by = 'reader' as MarkName, session = false } = {}): string {
  const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return wire('POST', at, [bearer(by), json, both, ...own, ...(session ? [`Mcp-Session-Id: ${marks.session}`] : [])], JSON.stringify(body));
}

const call = (name: string, args: object = { text: 'x' }) => ({ name, arguments: args });
const notification = (method: string, params: object = {}): EraRequest => ({
  body: { jsonrpc: '2.0', method, params },
  headers: { 'mcp-protocol-version': '2025-11-25' },
});
const batch = (...messages: object[]): string => wire('POST', '/mcp/up', [bearer('trader'), json, both], JSON.stringify(messages));
const chunked = (body: string): string =>
  `${wire('POST', '/mcp/up', [bearer('reader'), json, both, 'Transfer-Encoding: chunked'])}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

const initialize = inSession('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } });

/** By what they are about. */
const texts: Readonly<Record<string, string>> = {
  initialize: message(initialize),
  initialized: message(notification('notifications/initialized'), { session: true }),
  cancelled: message(notification('notifications/cancelled', { requestId: 3, reason: 'enough' }), { session: true }),
  ping: message(inSession('ping')),
  'list in a session': message(inSession('tools/list'), { session: true }),
  'call in a session': message(inSession('tools/call', call('tool_0')), { session: true }),
  'call of a trader': message(inSession('tools/call', call('tool_2', { quantity: 2, note: 'ünï "q" \\ \u0001' })), { by: 'trader' }),
  'call beyond the scope': message(inSession('tools/call', call('tool_2'))),
  'call with a cap': message(inSession('tools/call', call('tool_1')), { by: 'capped' }),
  'call of a revoked key': message(inSession('tools/call', call('tool_0')), { by: 'revoked' }),
  'read a resource': message(inSession('resources/read', { uri: 'test://one' })),
  'get a prompt': message(inSession('prompts/get', { name: 'prompt_0', arguments: {} })),
  'complete an argument': message(
    inSession('completion/complete', { ref: { type: 'ref/prompt', name: 'prompt_0' }, argument: { name: 'a', value: 'b' } }),
  ),
  'call answered by events': message(inSession('tools/call', { ...call('tool_0'), _meta: { progressToken: 7 } }), { at: '/mcp/ev' }),
  discover: message(stateless('server/discover')),
  'stateless list': message(stateless('tools/list')),
  'stateless call': message(stateless('tools/call', call('tool_1'))),
  'stateless read': message(stateless('resources/read', { uri: 'test://ünï' })),
  subscribe: message(stateless('subscriptions/listen', { notifications: { toolsListChanged: true } })),
  'list of all': message(inSession('tools/list'), { at: '/mcp', by: 'trader' }),
  'call of all': message(inSession('tools/call', call('up__tool_0')), { at: '/mcp', by: 'trader' }),
  'stateless call of all': message(stateless('tools/call', call('ev__tool_1')), { at: '/mcp', by: 'trader' }),
  'batch of calls': batch(
    inSession('tools/call', call('tool_0'), 1).body,
    inSession('tools/call', call('tool_2'), 2).body,
    notification('notifications/cancelled', { requestId: 1 }).body,
  ),
  'batch of different': batch(inSession('tools/list', {}, 'l').body, inSession('ping', {}, 'p').body, {
    jsonrpc: '2.0',
    id: 'z',
    result: {},
  }),
  'stream of a session': wire('GET', '/mcp/up', [bearer('reader'), 'Accept: text/event-stream', `Mcp-Session-Id: ${marks.session}`]),
  'stream of all': wire('GET', '/mcp', [bearer('trader'), 'Accept: text/event-stream']),
  'end a session': wire('DELETE', '/mcp/ev', [bearer('reader'), `Mcp-Session-Id: ${marks.session}`]),
  'legacy stream': wire('GET', '/sse/up', [bearer('reader'), 'Accept: text/event-stream']),
  'legacy post': wire('POST', '/sse/up/messages/AAAA', [bearer('reader'), json], JSON.stringify(inSession('ping').body)),
  'pass through': wire('GET', '/passthrough/up/assets/a%20b.css?v=1', [bearer('reader'), 'If-None-Match: "1"']),
  'pass through a body': wire('PUT', '/passthrough/up/paid/one', [bearer('trader'), 'Content-Type: text/plain'], 'some text'),
  'pass through beyond the scope': wire('GET', '/passthrough/up/admin/users', [bearer('reader')]),
  websocket: wire('GET', '/passthrough/up/live/ws', [
    ...[bearer('trader'), 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ]),
  chunked: chunked(JSON.stringify(inSession('tools/call', call('tool_0')).body)),
  pipelined: message(inSession('ping', {}, 1)) + message(inSession('tools/call', call('tool_0'), 2)) + message(inSession('ping', {}, 3)),
  'own key': wire('GET', '/api/v1/me', [bearer('reader')]),
  'access token': wire('POST', '/api/v1/token', [bearer('reader'), json], '{"ttl":"1m"}'),
  metadata: wire('GET', '/.well-known/oauth-protected-resource/mcp/up', []),
  preflight: wire('OPTIONS', '/mcp/up', ['Origin: https://console.example', 'Access-Control-Request-Method: POST']),
};

export const corpus: readonly Seed[] = Object.entries(texts).map(([name, text]) => ({ name, bytes: Buffer.from(text, 'utf8') }));

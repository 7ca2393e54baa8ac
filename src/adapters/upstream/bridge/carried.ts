/** Headers that say what a request is: the bridge writes its own. All others go with whatever is asked for the caller: credentials, request id, assertion. */
const ofTheMessage: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'content-type',
  'mcp-protocol-version',
  'mcp-session-id',
  'mcp-method',
  'mcp-name',
  'last-event-id',
]);

/** Headers of one request alone. */
const ofTheRequest: ReadonlySet<string> = new Set(['x-request-id', 'x-keygate-assertion', 'traceparent', 'tracestate', 'baggage']);

/** Flat list: what goes with each message that the bridge sends for a request. */
export function carried(headers: readonly string[]): string[] {
  return pick(headers, (name) => !ofTheMessage.has(name) && !name.startsWith('mcp-param-'));
}

/** Flat list: what is the same in every request of an upstream, which is its credentials. */
export function credentials(headers: readonly string[]): string[] {
  return pick(carried(headers), (name) => !ofTheRequest.has(name));
}

function pick(headers: readonly string[], wanted: (name: string) => boolean): string[] {
  const list: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2);
    if (wanted(name.toLowerCase())) list.push(name, value);
  }
  return list;
}

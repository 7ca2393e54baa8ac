/** One request in the terms of a protocol era: the body, and the headers that belong to it. */
export interface EraRequest {
  readonly body: Record<string, unknown>;
  readonly headers: Record<string, string>;
}

export type EraRequestMaker = (method: string, params?: Record<string, unknown>, id?: string | number) => EraRequest;

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** A request as clients of sessions send it. */
export const inSession: EraRequestMaker = (method, params = {}, id = 1) => ({
  body: { jsonrpc: '2.0', id, method, params },
  headers: { 'mcp-protocol-version': '2025-11-25' },
});

/** Members of params that Mcp-Name mirrors. */
const mirrored = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** A request of 2026-07-28, with the headers that mirror it. */
export const stateless: EraRequestMaker = (method, params = {}, id = 1) => {
  const named = params[mirrored.get(method) ?? ''];
  return {
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: modernMeta } },
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof named === 'string' ? { 'mcp-name': headerValue(named) } : {}),
    },
  };
};

/** 2026-07-28, transports, value encoding: what no header may hold goes in base64. */
function headerValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

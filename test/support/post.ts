/** One POST of one message, as a client of no SDK would make it. */
export async function post(
  url: string,
  options: { key?: string; body: unknown; headers?: Record<string, string> },
): Promise<{ status: number; headers: Headers; text: string; json: Posted }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(options.key === undefined ? {} : { authorization: `Bearer ${options.key}` }),
      ...options.headers,
    },
    body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body),
    redirect: 'manual',
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

export interface Posted {
  readonly id?: unknown;
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number; message: string; data: Record<string, unknown> };
}

function parse(text: string): Posted {
  try {
    return JSON.parse(text) as Posted;
  } catch {
    return {};
  }
}

export function toolCall(name: string, args: Record<string, unknown> = {}, id: string | number = 1): object {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } };
}

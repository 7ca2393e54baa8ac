import { rpcId, rpcMethod } from './recorded-request.ts';
import { type RecordingUpstream, type RecordingUpstreamOptions, startRecordingUpstream } from './recording-upstream.ts';

/** A recording upstream whose tools change while clients are connected. */
export interface ChangingUpstream extends RecordingUpstream {
  /** What it lists from now on: elements, or the text of the whole list. */
  list(tools: readonly unknown[] | string): void;
  /** Names of the tools that were called, in order. */
  called(): string[];
}

export async function startChangingUpstream(tools: readonly unknown[], options: RecordingUpstreamOptions = {}): Promise<ChangingUpstream> {
  let listed = JSON.stringify(tools);
  const upstream = await startRecordingUpstream({
    ...options,
    respond(request, response, ordinary) {
      if (rpcMethod(request) !== 'tools/list') return ordinary();
      const result = `{"resultType":"complete","tools":${listed},"ttlMs":60000,"cacheScope":"public"}`;
      const text = `{"jsonrpc":"2.0","id":${JSON.stringify(rpcId(request))},"result":${result}}`;
      const events = options.answer === 'sse';
      response.writeHead(200, { 'content-type': events ? 'text/event-stream' : 'application/json' });
      return void response.end(events ? `event: message\ndata: ${text}\n\n` : text);
    },
  });
  return {
    ...upstream,
    list(next) {
      listed = typeof next === 'string' ? next : JSON.stringify(next);
    },
    called: () => upstream.calls('tools/call').map(({ message }) => (message as { params: { name: string } }).params.name),
  };
}

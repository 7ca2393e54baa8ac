import { type OutgoingHttpHeaders, request as send } from 'node:http';
import { type RecordingServer, startRecordingServer } from './recording-server.ts';

/**
 * Stands in front of a server on 127.0.0.1:`targetPort`, records what is sent to it and passes bytes and headers on as they are
 * (only Host names the target). Answers are streamed; when either side goes away, so does the other.
 */
export async function startRecordingPassthrough(targetPort: number): Promise<RecordingServer> {
  return startRecordingServer((request, response) => {
    const onward = send({
      host: '127.0.0.1',
      port: targetPort,
      method: request.method,
      path: request.url,
      headers: { ...(request.headers as OutgoingHttpHeaders), host: `127.0.0.1:${targetPort}` },
      agent: false,
    });
    onward.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
      // An event stream may stay silent: without this its reader would wait for the headers.
      response.flushHeaders();
      answer.pipe(response);
      answer.once('error', () => response.destroy());
    });
    onward.once('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    onward.end(request.bytes);
  });
}

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { rpcId, rpcMethod } from './recorded-request.ts';
import { answerTo, type Respond, sendJson } from './recording-upstream.ts';

// Scripts for startRecordingUpstream({ respond }) and upstream.script(): each is one way in which a server fails its callers.

/** Uses a script for one JSON-RPC method (or, for `GET` and `DELETE`, one HTTP method) and answers everything else ordinarily. */
export function only(method: string, respond: Respond): Respond {
  return (request, response, ordinary) =>
    rpcMethod(request) === method || request.method === method ? respond(request, response, ordinary) : ordinary();
}

/** The first `times` requests get the script, later ones the ordinary answer. */
export function first(times: number, respond: Respond): Respond {
  let left = times;
  return (request, response, ordinary) => {
    left -= 1;
    return left >= 0 ? respond(request, response, ordinary) : ordinary();
  };
}

/** Reads the whole request and cuts the connection without a byte of answer. */
export const resetBeforeAnswer: Respond = (_request, response) => {
  reset(response);
};

/** Announces a JSON answer, sends its first half and cuts the connection. */
export const resetMidAnswer: Respond = (request, response) => {
  const bytes = ordinaryBytes(request);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.write(bytes.subarray(0, bytes.length >> 1), () => reset(response));
};

/** Opens an event stream, sends one progress notification and cuts the connection before the result. */
export const resetMidStream: Respond = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } };
  response.write(`event: message\ndata: ${JSON.stringify(progress)}\n\n`, () => reset(response));
};

/** Opens an event stream and ends it properly without ever sending the result. */
export const endWithoutResult: Respond = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing\n\n');
};

/** Never answers. The connection stays open until the other side gives up or the upstream is closed. */
export const hang: Respond = () => {};

/** Sends headers at once and then nothing. */
export const hangAfterHeaders: Respond = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
};

export const html: Respond = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title><h1>Sign in</h1>');
};

/** A perfect answer to somebody else's request. */
export const wrongId: Respond = (request, response) => {
  sendJson(response, { ...answerTo(request), id: `not-${String(rpcId(request))}` });
};

/** Says it is JSON and is not. */
export const invalidJson: Respond = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":1,"result":{');
};

/** A tool result of about `bytes` bytes, written with regard to how fast it is read. */
export function hugeAnswer(bytes: number): Respond {
  return async (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(`{"jsonrpc":"2.0","id":${JSON.stringify(rpcId(request))},"result":{"content":[{"type":"text","text":"`);
    const chunk = 'x'.repeat(64 * 1024);
    for (let sent = 0; sent < bytes && !response.destroyed; sent += chunk.length) {
      // Drained or closed: a caller that stops reading may also just go away.
      if (!response.write(chunk) && !response.destroyed) await Promise.race([once(response, 'drain'), request.answered]);
    }
    response.end('"}]}}');
  };
}

/** Sends the caller elsewhere. 307 and 308 would carry the body and, if followed, its credentials with it. */
export function redirect(location: string, status: 301 | 302 | 303 | 307 | 308 = 307): Respond {
  return (_request, response) => {
    response.writeHead(status, { location }).end();
  };
}

/** The ordinary answer, compressed, whatever the request accepts. */
export const gzip: Respond = (request, response) => {
  const bytes = gzipSync(ordinaryBytes(request));
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip', 'content-length': bytes.length }).end(bytes);
};

/** A bare HTTP status with a JSON body, by default without anything of JSON-RPC in it. */
export function status(code: number, body: unknown = { error: `status ${code}` }, headers: Record<string, string> = {}): Respond {
  return (_request, response) => {
    sendJson(response, body, code, headers);
  };
}

/** A JSON-RPC error with the request's own id. */
export function rpcError(code: number, message: string, httpStatus = 200): Respond {
  return (request, response) => {
    sendJson(response, { jsonrpc: '2.0', id: rpcId(request), error: { code, message } }, httpStatus);
  };
}

/** The ordinary answer, one byte every `everyMs` milliseconds. */
export function slowBytes(everyMs: number): Respond {
  return async (request, response) => {
    const bytes = ordinaryBytes(request);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
    for (let at = 0; at < bytes.length && !response.destroyed; at += 1) {
      response.write(bytes.subarray(at, at + 1));
      await wait(everyMs);
    }
    response.end();
  };
}

/** These messages, each as one event, before the ordinary result on the same stream. */
export function eventsThenResult(messages: readonly unknown[], betweenMs = 0): Respond {
  return async (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const message of [...messages, answerTo(request)]) {
      response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
      await wait(betweenMs);
    }
    response.end();
  };
}

function ordinaryBytes(request: Parameters<Respond>[0]): Buffer {
  return Buffer.from(JSON.stringify(answerTo(request)));
}

/** A TCP reset rather than an orderly end. */
function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

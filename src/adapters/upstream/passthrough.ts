import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable, Writable } from 'node:stream';
import { createProxyMiddleware, type Plugin } from 'http-proxy-middleware';
import type { PassRequest, Passthrough } from '../../ports/passthrough.ts';
import type { AnswerReceiver, UpstreamExchange } from '../../ports/upstreams.ts';
import type { GuardedUpstreams } from './guarded.ts';
import { createPassExchange, type PassExchange } from './pass-exchange.ts';

/**
 * Pass-through routes over http-proxy-middleware, behind the same guard as calls. The library never sees the client's request or answer: it gets a
 * request of the gateway's own making, with the headers that go on and no others, and its events become those of every other way to an upstream. So
 * nothing it forwards, sets or closes by default can touch the client. Connections are not kept: Node's client would take what an
 * upstream sends unasked on a kept one for the next answer (A25).
 */
export function createPassthrough({ guard }: Pick<GuardedUpstreams, 'guard'>): Passthrough {
  const exchanges = new WeakMap<object, PassExchange>();
  const agents = { http: new HttpAgent({ keepAlive: false }), https: new HttpsAgent({ keepAlive: false }) };
  const of = (request: object): PassExchange => {
    const exchange = exchanges.get(request);
    if (!exchange) throw new Error('a request that nobody made was passed through');
    return exchange;
  };

  const listening: Plugin = (proxy) => {
    proxy.on('proxyReq', (sent: ClientRequest, request: object) => of(request).began(sent));
    proxy.on('proxyReqWs', (sent: ClientRequest, request: object) => of(request).began(sent));
    proxy.on('proxyRes', (answer: IncomingMessage, request: object) => of(request).answered(answer));
    proxy.on('open', () => undefined);
    for (const trouble of ['error', 'econnreset'] as const) proxy.on(trouble, (cause: Error, request: object) => of(request).failed(cause));
  };
  const middleware = createProxyMiddleware({
    ejectPlugins: true,
    plugins: [listening],
    router: (request) => new URL(of(request).request.url).origin,
    pathRewrite(path, request, _answer, options) {
      if (options) options.agent = new URL(of(request).request.url).protocol === 'https:' ? agents.https : agents.http;
      return path;
    },
    ...{ changeOrigin: true, selfHandleResponse: true, xfwd: false },
  });

  const begin = (request: PassRequest, receiver: AnswerReceiver): UpstreamExchange => {
    const exchange = createPassExchange(request, receiver);
    const own = ownRequest(request);
    exchanges.set(own, exchange);
    if (request.upgrading) middleware.upgrade(own, request.upgrading.socket, request.upgrading.head);
    else middleware(own, ownAnswer(), (fault) => exchange.failed(fault)).catch((fault: unknown) => exchange.failed(fault));
    return exchange;
  };
  return {
    dispatch(request, receiver) {
      const { upstream, headTimeoutMs, upgrading } = request;
      return guard({ upstream, headTimeoutMs, long: upgrading !== undefined }, receiver, (watched) => begin(request, watched));
    },
  };
}

/** What the library reads of a request, and its body as a stream. */
function ownRequest({ method, path, headers, body, upgrading }: PassRequest): IncomingMessage {
  const socket = upgrading?.socket ?? {};
  const form = { method, url: path, headers: { ...headers }, httpVersion: '1.1', httpVersionMajor: 1, socket };
  return Object.assign(Readable.from(body.length > 0 ? [body] : []), form) as unknown as IncomingMessage;
}

/** The library closes the answer when the upstream breaks off; the client's is not its to close. */
function ownAnswer(): ServerResponse {
  return new Writable() as unknown as ServerResponse;
}

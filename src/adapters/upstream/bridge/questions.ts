import { metaTexts, noSession } from '../../../domain/bridged-session.ts';
import { negotiatedVersion, offersStateless } from '../../../domain/introduction.ts';
import type { ResponseMessage } from '../../../domain/message.ts';
import { sessionVersions, statelessVersion } from '../../../domain/method.ts';
import type { UpstreamRequest, Upstreams } from '../../../ports/upstreams.ts';
import { type Asked, ask } from '../ask.ts';
import { carried } from './carried.ts';

/** For which request the bridge asks: with its caller's headers, for its key, at its upstream. */
export type Behalf = Pick<UpstreamRequest, 'upstream' | 'url' | 'headers' | 'keyId'>;

const identity = { name: 'keygate', version: '1' } as const;

const newest = sessionVersions.at(-1) ?? '';

/** Statuses that say "not like this" of a request; any other trouble says nothing about the era. */
const refusals: ReadonlySet<number> = new Set([400, 404, 405, 406, 415, 422, 501]);

/** `server/discover` in the stateless form. `no`: the upstream knows no such thing; undefined: nothing can be said. */
export async function askDiscover(
  upstreams: Upstreams,
  behalf: Behalf,
  timeoutMs: number,
): Promise<{ said: 'yes'; answer: ResponseMessage } | { said: 'no' } | undefined> {
  const _meta: unknown = JSON.parse(`{${metaTexts(noSession).join(',')}}`);
  const message = { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta } } as const;
  const headers = ['mcp-protocol-version', statelessVersion, 'mcp-method', 'server/discover', ...carried(behalf.headers)];
  const asked = await quietly(ask(upstreams, { ...placed(behalf), method: 'POST', message, headers, timeoutMs }));
  if (!asked) return undefined;
  if (asked.answer && offersStateless(asked.answer)) return { said: 'yes', answer: asked.answer };
  return refusals.has(asked.status) || (asked.status === 200 && asked.answer) ? { said: 'no' } : undefined;
}

/** `initialize` with the newest version that has sessions, offering nothing that a server could ask of a client. */
export async function askInitialize(
  upstreams: Upstreams,
  behalf: Behalf,
  timeoutMs: number,
): Promise<{ answer: ResponseMessage; version: string; session: string | undefined } | undefined> {
  const params = { protocolVersion: newest, capabilities: {}, clientInfo: identity };
  const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params } as const;
  const asked = await ask(upstreams, { ...placed(behalf), method: 'POST', message, headers: carried(behalf.headers), timeoutMs });
  if (asked.answer?.outcome !== 'result') return undefined;
  const version = negotiatedVersion(asked.answer);
  return version === undefined ? undefined : { answer: asked.answer, version, session: asked.session };
}

export function placed({ upstream, url, keyId }: Behalf): { upstream: string; url: string | undefined; keyId: string } {
  return { upstream, url, keyId };
}

/** An upstream that cannot be asked is not judged: the caller's own request will tell what is wrong. */
function quietly(asking: Promise<Asked>): Promise<Asked | undefined> {
  return asking.catch(() => undefined);
}

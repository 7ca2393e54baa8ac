import { metaTexts, noSession } from '../../../domain/bridged-session.ts';
import { Denial } from '../../../domain/denial.ts';
import { nextCursorOf } from '../../../domain/listing.ts';
import { memberOf, textOf } from '../../../domain/members.ts';
import type { RequestMessage } from '../../../domain/message.ts';
import { statelessVersion } from '../../../domain/method.ts';
import { type ParamHeader, paramHeaders, paramHeadersOf } from '../../../domain/param-headers.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { UpstreamRequest, Upstreams } from '../../../ports/upstreams.ts';
import { ask } from '../ask.ts';
import { carried } from './carried.ts';
import { placed } from './questions.ts';

/**
 * The headers that mirror arguments (`Mcp-Param-*`). A server of 2026-07-28 refuses a call that lacks one, and only the tool's schema tells
 * which there are; a session client does not know of them.
 */
export interface ToolHeaders {
  /** Flat list for this call. Lists the upstream's tools where they are not known; where they cannot be listed, the upstream judges the call without. */
  headersFor(request: UpstreamRequest, message: RequestMessage): Promise<string[]>;
  /** The upstream refused the headers: its tools are others by now. */
  forget(request: Pick<UpstreamRequest, 'upstream'>): void;
}

/** Only tools that want headers are kept. `names`: all that were listed, so that an unknown tool is looked for again. */
interface Listed {
  readonly wanting: ReadonlyMap<string, readonly ParamHeader[]>;
  readonly names: ReadonlySet<string>;
}

/** Milliseconds; as the catalogue of annotations has it. */
const freshMs = 60_000;
const againMs = 2_000;
const pagesMax = 100;
const toolsMax = 10_000;

export function createToolHeaders({ upstreams, clock }: { upstreams: Upstreams; clock: Clock }): ToolHeaders {
  const known = new Map<string, { listed: Promise<Listed>; at: number }>();

  const list = (request: UpstreamRequest): Promise<Listed> => {
    const listed = fetchTools(upstreams, request);
    const entry = { listed, at: clock.monotonic() };
    known.set(request.upstream, entry);
    listed.catch(() => known.get(request.upstream) === entry && known.delete(request.upstream));
    return listed;
  };
  const listedWithin = (request: UpstreamRequest, ageMsMax: number): Promise<Listed> => {
    const entry = known.get(request.upstream);
    return entry && clock.monotonic() - entry.at < ageMsMax ? entry.listed : list(request);
  };

  const listedFor = async (request: UpstreamRequest, tool: string): Promise<Listed> => {
    const listed = await listedWithin(request, freshMs);
    return listed.names.has(tool) ? listed : listedWithin(request, againMs);
  };

  return {
    async headersFor(request, message) {
      const tool = message.params.name ?? '';
      const span = message.params.arguments;
      if (!span) return [];
      const listed = await listedFor(request, tool).catch(unlisted);
      const declared = listed?.wanting.get(tool);
      if (!declared) return [];
      return paramHeaders(declared, JSON.parse(message.bytes.toString('utf8', span.start, span.end)));
    },
    forget: ({ upstream }) => void known.delete(upstream),
  };
}

async function fetchTools(upstreams: Upstreams, request: UpstreamRequest): Promise<Listed> {
  const wanting = new Map<string, readonly ParamHeader[]>();
  const names = new Set<string>();
  const _meta: unknown = JSON.parse(`{${metaTexts(noSession).join(',')}}`);
  const headers = ['mcp-protocol-version', statelessVersion, 'mcp-method', 'tools/list', ...carried(request.headers)];
  let cursor: string | undefined;
  for (let page = 0; page < pagesMax; page += 1) {
    const params = { ...(cursor === undefined ? {} : { cursor }), _meta };
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/list', params } as const;
    const asked = { ...placed(request), method: 'POST', timeoutMs: request.headTimeoutMs } as const;
    const { answer } = await ask(upstreams, { ...asked, message, headers });
    const tools = answer?.outcome === 'result' ? memberOf(answer, 'result', 'tools') : undefined;
    if (!answer || !tools) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream did not list its tools.' });
    for (const { name, inputSchema } of toolsIn(textOf(answer.bytes, tools))) {
      names.add(name);
      const declared = paramHeadersOf(inputSchema);
      if (declared.length > 0) wanting.set(name, declared);
    }
    cursor = nextCursorOf(answer);
    if (cursor === undefined || names.size > toolsMax) return { wanting, names };
  }
  return { wanting, names };
}

function unlisted(thrown: unknown): undefined {
  if (!(thrown instanceof Denial)) throw thrown;
  return undefined;
}

function toolsIn(text: string): { name: string; inputSchema: unknown }[] {
  const tools: unknown = JSON.parse(text);
  return (Array.isArray(tools) ? tools : []).flatMap((tool: unknown) => {
    if (typeof tool !== 'object' || tool === null) return [];
    const name: unknown = Reflect.get(tool, 'name');
    return typeof name === 'string' ? [{ name, inputSchema: Reflect.get(tool, 'inputSchema') as unknown }] : [];
  });
}

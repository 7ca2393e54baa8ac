import { Denial } from '../../domain/denial.ts';
import { type ListedItem, listItems, nextCursorOf } from '../../domain/listing.ts';
import type { ResponseMessage } from '../../domain/message.ts';
import { sessionVersions, statelessVersion } from '../../domain/method.ts';
import type { Annotations, Catalogue } from '../../ports/catalogue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { ListedTool } from '../../ports/tool-pins.ts';
import type { Upstreams } from '../../ports/upstreams.ts';
import { type Asked, type AskedMessage, ask } from './ask.ts';

type Tools = ReadonlyMap<string, Annotations>;
type Listed = ListedTool & { readonly annotations: Annotations };

/** A list is trusted for a minute; a tool it does not name is looked for anew, at most every two seconds. Milliseconds. */
const freshMs = 60_000;
const againMs = 2_000;
const pagesMax = 100;

export interface AskingCatalogue extends Catalogue {
  /** Asks for the tools, unless that was done a moment ago. @throws Denial as annotationsOf does */
  look(upstream: string): Promise<void>;
}

/**
 * Asks each upstream for its tools with its own credential, for upstreams without written rules and for pins. What is known is only a
 * cache: any replica can ask again (I9). Each asking is journalled before it is made.
 * @param options.credentialsOf flat header list of an upstream
 * @param options.listed told of each whole list before anybody else is
 */
export function createCatalogue(options: {
  upstreams: Upstreams;
  ledger: Pick<Ledger, 'record'>;
  clock: Clock;
  credentialsOf: (upstream: string) => readonly string[];
  listed?: (upstream: string, tools: readonly ListedTool[]) => Promise<void>;
}): AskingCatalogue {
  const { clock } = options;
  const known = new Map<string, { tools: Promise<Tools>; at: number }>();

  const list = (upstream: string): Promise<Tools> => {
    const tools: Promise<Tools> = options.ledger
      .record({ kind: 'upstream.listed', upstream, method: 'tools/list', decision: 'allowed' })
      .then(() => fetchTools(options, upstream))
      .then(async (tools) => {
        await options.listed?.(upstream, tools);
        return new Map(tools.map(({ name, annotations }) => [name, annotations]));
      });
    // Whoever comes while it is asked waits for this answer.
    known.set(upstream, { tools, at: Number.POSITIVE_INFINITY });
    tools.then(
      () => known.set(upstream, { tools, at: clock.monotonic() }),
      () => known.delete(upstream),
    );
    return tools;
  };

  const listed = (upstream: string, ageMsMax: number): Promise<Tools> => {
    const entry = known.get(upstream);
    return entry && clock.monotonic() - entry.at < ageMsMax ? entry.tools : list(upstream);
  };

  return {
    look: async (upstream) => void (await listed(upstream, againMs)),
    async annotationsOf(upstream, tool) {
      return (await listed(upstream, freshMs)).get(tool) ?? (await listed(upstream, againMs)).get(tool);
    },
  };
}

type Asking = Parameters<typeof createCatalogue>[0];

async function fetchTools(asking: Asking, upstream: string): Promise<Listed[]> {
  const send = (message: AskedMessage | undefined, headers: readonly string[], method: 'POST' | 'DELETE' = 'POST') =>
    ask(asking.upstreams, { upstream, method, message, headers: [...headers, ...asking.credentialsOf(upstream)] });
  const version = sessionVersions.at(-1) ?? '';
  const params = { protocolVersion: version, capabilities: {}, clientInfo: { name: 'keygate', version: '1' } };
  const opened = await send({ jsonrpc: '2.0', id: 1, method: 'initialize', params }, []);
  if (opened.answer?.outcome !== 'result') return pages((cursor) => send(...statelessList(cursor)));
  const session = ['mcp-protocol-version', version, ...(opened.session === undefined ? [] : ['mcp-session-id', opened.session])];
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  try {
    return await pages((cursor) =>
      send({ jsonrpc: '2.0', id: 2, method: 'tools/list', params: cursor === undefined ? {} : { cursor } }, session),
    );
  } finally {
    // Ending the session is a courtesy; an upstream that cannot is none the worse.
    if (opened.session !== undefined) await send(undefined, session, 'DELETE').catch(() => undefined);
  }
}

function statelessList(cursor: string | undefined): [AskedMessage, string[]] {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': statelessVersion,
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'keygate', version: '1' },
  };
  const params = { ...(cursor === undefined ? {} : { cursor }), _meta: meta };
  return [{ jsonrpc: '2.0', id: 2, method: 'tools/list', params }, ['mcp-protocol-version', statelessVersion, 'mcp-method', 'tools/list']];
}

function toolsOf(message: ResponseMessage): ListedItem[] {
  try {
    return listItems(message, 'tools');
  } catch (cause) {
    throw new Denial('UPSTREAM_FAILED', { detail: "The upstream's tools are no list.", cause });
  }
}

async function pages(page: (cursor: string | undefined) => Promise<Asked>): Promise<Listed[]> {
  const tools: Listed[] = [];
  let cursor: string | undefined;
  for (let count = 0; count < pagesMax; count += 1) {
    const { answer } = await page(cursor);
    const message: ResponseMessage | undefined = answer?.outcome === 'result' ? answer : undefined;
    if (!message) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream did not list its tools.' });
    for (const { name, annotations = {}, span } of toolsOf(message)) {
      if (name !== undefined) tools.push({ name, annotations, bytes: message.bytes.subarray(span.start, span.end) });
    }
    cursor = nextCursorOf(message);
    if (cursor === undefined) return tools;
  }
  throw new Denial('UPSTREAM_FAILED', { detail: `The upstream lists its tools on more than ${pagesMax} pages.` });
}

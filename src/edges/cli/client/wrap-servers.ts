import { applyEdits, type JSONPath, modify } from 'jsonc-parser';
import { formattingOf } from './merge-upstreams.ts';
import { type ClientFile, type ClientServer, isMembers, urlMember } from './read-client-file.ts';
import { partUrl } from './secrets.ts';

/** Where a server leads after wrapping, or why it is left as it is. */
export interface Wrapped {
  readonly server: string;
  readonly upstream?: string;
  readonly url?: string;
  readonly skipped?: string;
}

export const wrappedAlready = 'leads to keygate already';

export interface WrapTerms {
  /** The upstream that stands for a server, undefined where none does. */
  readonly upstreamOf: (server: ClientServer) => string | undefined;
  /** keygate's endpoint for an upstream. */
  readonly endpointOf: (upstream: string) => string;
  /** What stands in the file for the agent key. */
  readonly key: string;
}

/**
 * Points the servers of a client's file at keygate. Only what must change does: comments, order and every other setting stay as they are. A
 * server with a URL gets keygate's and the key in place of its headers; one that is a command stays one, since some clients speak only stdio:
 * `keygate connect`.
 */
export function wrapServers(file: ClientFile, terms: WrapTerms): { text: string; servers: Wrapped[] } {
  const servers: Wrapped[] = [];
  let { text } = file;
  for (const server of file.servers) {
    const upstream = terms.upstreamOf(server);
    const leads = leadsTo(server);
    const url = upstream === undefined ? undefined : terms.endpointOf(upstream);
    if (server.members.disabled === true) servers.push({ server: server.name, skipped: 'is disabled' });
    else if (upstream === undefined || url === undefined)
      servers.push({ server: server.name, skipped: 'is no upstream of the configuration: import it first' });
    else if (leads === url) servers.push({ server: server.name, upstream, url, skipped: wrappedAlready });
    else {
      text = wrapOne(text, [...file.path, server.name], server, { url, key: terms.key });
      servers.push({ server: server.name, upstream, url });
    }
  }
  return { text, servers };
}

/** The URL that a server leads to, through `keygate connect` too. */
export function leadsTo({ members }: ClientServer): string | undefined {
  const place = urlMember(members);
  if (place !== undefined) return String(members[place]);
  const args = Array.isArray(members.args) ? members.args.map(String) : [];
  const connect = args.indexOf('connect');
  return connect === -1 ? undefined : args[connect + 1];
}

function wrapOne(text: string, path: JSONPath, { members }: ClientServer, { url, key }: { url: string; key: string }): string {
  const formattingOptions = formattingOf(text);
  const set = (before: string, name: string, value: unknown): string =>
    applyEdits(before, modify(before, [...path, name], value, { formattingOptions }));
  const place = urlMember(members);
  if (place === undefined) {
    const bare = ['cwd', 'envFile'].filter((name) => name in members).reduce((before, name) => set(before, name, undefined), text);
    return set(set(set(bare, 'command', 'keygate'), 'args', ['connect', url]), 'env', { AGENT_API_KEY: key });
  }
  const headers = { Authorization: `Bearer ${key}` };
  let wrapped = set(set(text, place, url), 'headers', headers);
  // keygate speaks Streamable HTTP to whoever comes by URL.
  for (const name of ['type', 'transport']) if (members[name] === 'sse') wrapped = set(wrapped, name, 'http');
  for (const name of ['oauth', 'authProviderType', 'auth']) if (name in members) wrapped = set(wrapped, name, undefined);
  return wrapped;
}

/** Members whose texts are shown: what a server is, and where. */
const shown = ['command', 'type', 'transport'];
const urls = ['url', 'httpUrl', 'serverUrl'];

/**
 * The servers alone, to be compared by eye, with every text unreadable that may be a secret. Not the file itself: what stands around the servers, comments
 * too, may hold anything. @param own what keygate writes
 */
export function masked(file: ClientFile, own: readonly string[]): string {
  const hide = (value: unknown, member: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => hide(item, member));
    if (isMembers(value)) return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hide(inner, `${member}.`)]));
    if (typeof value !== 'string') return value;
    const plain = urls.includes(member)
      ? isPlainUrl(value)
      : shown.includes(member) || (member === 'args' && /^--?[a-z-]{1,24}$/i.test(value));
    return plain || own.includes(value) || /^(?:Bearer )?\$\{[^}]*\}$/.test(value) ? value : '…';
  };
  const servers = file.servers.map(({ name, members }) => [
    name,
    Object.fromEntries(Object.entries(members).map(([member, value]) => [member, hide(value, member)])),
  ]);
  return JSON.stringify({ [file.path.join('.')]: Object.fromEntries(servers) }, null, 2);
}

/** Without a query, a login, or anything in its path that could be a key. */
function isPlainUrl(url: string): boolean {
  return !/[?@]/.test(url) && (!URL.canParse(url) || partUrl(url, () => '').secret === undefined);
}

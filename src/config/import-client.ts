import { isOwnedHeader } from './credential.ts';
import { closest, type Finding } from './problems.ts';
import { writtenSchema } from './schema.ts';
import { child, type List, leafAt, leafText, type Members, membersAt, type Place, type Tree } from './tree.ts';

interface Imported {
  readonly tree: Members;
  readonly findings: Finding[];
  readonly warnings: Finding[];
}

/** The member under which a client keeps its servers: `mcpServers` (Claude, Cursor, Windsurf, Gemini) or `servers` (VS Code); undefined in keygate's own files. */
function serversMember(root: Members): string | undefined {
  if (root.members.has('mcpServers')) return 'mcpServers';
  return root.members.has('servers') && !root.members.has('upstreams') ? 'servers' : undefined;
}

/**
 * Makes the written form of a configuration out of a client's own file: every server becomes an upstream whose tools need the scope their
 * annotations suggest. keygate's own members beside the servers are kept, all others belong to the client and are ignored. A file without
 * servers comes back as it is. Every node keeps the place where it was written.
 */
export function importClient(root: Members): Imported {
  const findings: Finding[] = [];
  const warnings: Finding[] = [];
  const name = serversMember(root);
  const servers = name === undefined ? undefined : root.members.get(name);
  if (!servers) return { tree: root, findings, warnings };
  const own = new Map([...root.members].filter(([member]) => member in writtenSchema.shape));
  const written = own.get('upstreams');
  if (servers.kind !== 'members') {
    findings.push({ ...servers.at, message: 'must be a mapping' });
    return { tree: { ...root, members: new Map([['upstreams', membersAt(servers.at, [])], ...own]) }, findings, warnings };
  }
  const upstreams = new Map(written?.kind === 'members' ? written.members : []);
  for (const [written, server] of servers.members) {
    const upstream = upstreamOf(server, nameOf(written), findings, warnings);
    if (!upstream) continue;
    const key = nameOf(written);
    if (upstreams.has(key))
      findings.push({ ...server.at, message: `becomes the upstream ${key}, a name that is taken`, hint: 'rename one of the two' });
    else upstreams.set(key, upstream);
  }
  if (!written || written.kind === 'members') own.set('upstreams', membersAt(written?.at ?? servers.at, upstreams));
  return { tree: { ...root, members: own }, findings, warnings };
}

/** "GitHub (work)" to "github-work". What is left may still be no valid name; the schema says so. */
export function nameOf(written: string): string {
  return written
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/_{2,}/g, '_')
    .replace(/^[_-]+|[_-]+$/g, '')
    .slice(0, 63);
}

/** Members that a client does not know: whoever writes them here expects them to be obeyed. */
const keygateMembers = ['credential', 'environment', 'denials', 'protocol', 'resources', 'prompts', 'methods', 'pinning'];

function upstreamOf(server: Tree, name: string, findings: Finding[], warnings: Finding[]): Members | undefined {
  if (server.kind !== 'members') {
    findings.push({ ...server.at, message: 'must be a mapping' });
    return undefined;
  }
  const disabled = child(server, 'disabled');
  if (disabled?.kind === 'leaf' && disabled.value === true) {
    warnings.push({ ...server.at, message: 'is disabled in this file and was left out' });
    return undefined;
  }
  for (const member of keygateMembers) {
    const node = child(server, member);
    if (node)
      findings.push({ ...node.at, message: 'is a setting of keygate in a client file', hint: 'write this server under `upstreams`' });
  }
  const url = child(server, 'httpUrl') ?? child(server, 'serverUrl') ?? child(server, 'url');
  const transport = leafText(server, 'type') ?? leafText(server, 'transport');
  const command = child(server, 'command');
  if (!url && !command) {
    findings.push(unusable(server));
    return undefined;
  }
  const grant = (pattern: string): List => {
    const rule = membersAt(server.at, [
      ['match', leafAt(server.at, pattern)],
      ['scope', leafAt(server.at, `read:${name}`)],
    ]);
    return { kind: 'list', at: server.at, items: [rule] };
  };
  return membersAt(server.at, [
    ...(command && transport !== 'sse' && transport !== 'http'
      ? commandOf(server, warnings)
      : placeOf(server, { url, transport, warnings })),
    ['tools', leafAt(server.at, 'annotations')],
    ['resources', grant('**')],
    ['prompts', grant('*')],
  ]);
}

function unusable(server: Members): Finding {
  const names = [...server.members.keys()];
  for (const known of ['url', 'httpUrl', 'serverUrl', 'command']) {
    const meant = closest(known, names);
    const named = known === 'command' ? 'command' : 'url';
    if (meant !== undefined) return { ...server.at, message: `has no ${named}`, hint: `is ${meant} meant to be ${named}?` };
  }
  return { ...server.at, message: 'has no url and no command' };
}

function placeOf(
  server: Members,
  { url, transport, warnings }: { url: Tree | undefined; transport: string | undefined; warnings: Finding[] },
): [string, Tree][] {
  const credentials = credentialsOf(child(server, 'headers'), warnings);
  const written = child(server, 'type') ?? child(server, 'transport');
  return [
    ...(url ? [['url', url] satisfies [string, Tree]] : []),
    ...(transport === 'sse' && written ? [['transport', leafAt(written.at, 'sse')] satisfies [string, Tree]] : []),
    ...credentials.map((credential): [string, Tree] => ['credential', credential]),
  ];
}

/** A command as the client would start it, in the folder it says. */
function commandOf(server: Members, warnings: Finding[]): [string, Tree][] {
  const file = child(server, 'envFile');
  if (file) warnings.push({ ...file.at, message: 'is not read: the child gets nothing of it', hint: 'name its variables under env' });
  return ['command', 'args', 'env', 'cwd'].flatMap((member): [string, Tree][] => {
    const node = child(server, member);
    return node ? [[member, node]] : [];
  });
}

/** No element, or one: the value of `credential`. Headers that keygate sets itself are left out, because clients write them out of habit. */
function credentialsOf(headers: Tree | undefined, warnings: Finding[]): Tree[] {
  if (!headers) return [];
  if (headers.kind !== 'members') return [headers];
  const items: Tree[] = [];
  for (const [name, value] of headers.members) {
    if (isOwnedHeader(name.toLowerCase())) {
      warnings.push({ ...value.at, message: 'was left out: keygate sets this header itself' });
      continue;
    }
    const at: Place = value.at;
    items.push(
      membersAt(at, [
        ['header', leafAt(at, name)],
        ['value', value],
      ]),
    );
  }
  return items.length === 0 ? [] : [{ kind: 'list', at: headers.at, items }];
}

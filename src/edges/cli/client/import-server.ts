import { type ClientServer, textsOf, urlMember } from './read-client-file.ts';
import { type Parted, partArgument, partHeader, partUrl, partVariable } from './secrets.ts';

/** What a client's server becomes. */
export interface ImportedServer {
  /** In the form of `upstreams.<name>`. */
  readonly entry: Record<string, unknown>;
  /** Secrets that were taken out, by the label they were referred to with. */
  readonly secrets: ReadonlyMap<string, string>;
  /** What the operator has to do. Shows no value. */
  readonly notes: readonly string[];
}

const ownHeaders = /^(?:accept|content-type|content-length|host|connection|mcp-.*)$/i;

/**
 * Turns a client's server into an upstream: its headers become the upstream's credential, its tools need the scope that their annotations
 * suggest, and every secret goes where `refer` says. Returns why not, where it cannot be one.
 */
export function importServer(
  { members }: ClientServer,
  upstream: string,
  refer: (label: string) => string,
): ImportedServer | { skipped: string } {
  if (members.disabled === true) return { skipped: 'is disabled' };
  const secrets = new Map<string, string>();
  const notes: string[] = [];
  const keep = (label: string, part: (refer: () => string) => Parted): string => {
    const { text, secret } = part(() => refer(label));
    if (secret !== undefined) secrets.set(label, secret);
    return ownReferences(text, notes);
  };
  const place = urlMember(members);
  const entry = place === undefined ? commandEntry(members, keep) : urlEntry(members, String(members[place]), place, keep);
  if ('skipped' in entry) return { skipped: String(entry.skipped) };
  const foreign = foreignReference(JSON.stringify(entry));
  if (foreign !== undefined) return { skipped: `uses ${foreign}, which only its client knows` };
  const grant = { scope: `read:${upstream}` };
  return {
    entry: { ...entry, tools: 'annotations', resources: [{ match: '**', ...grant }], prompts: [{ match: '*', ...grant }] },
    secrets,
    notes,
  };
}

type Keep = (label: string, part: (refer: () => string) => Parted) => string;

function urlEntry(members: ClientServer['members'], written: string, place: string, keep: Keep): Record<string, unknown> {
  if (!written.includes('${')) {
    const url = URL.canParse(written) ? new URL(written) : undefined;
    if (!url || !/^https?:$/.test(url.protocol)) return { skipped: 'has no http or https URL' };
    if (url.search !== '' || url.username !== '' || url.password !== '') {
      return { skipped: 'carries something in its URL that may be a secret: move it into a header' };
    }
  }
  const legacy = [members.type, members.transport].includes('sse') || (place === 'url' && 'httpUrl' in members);
  const credential = textsOf(members.headers)
    .filter(([name]) => !ownHeaders.test(name))
    .map(([name, value]) => ({ header: name.toLowerCase(), value: keep(name, (refer) => partHeader(value, refer)) }));
  return {
    url: keep('url', (refer) => partUrl(written, refer)),
    ...(legacy && { transport: 'sse' }),
    ...(credential.length > 0 && { credential }),
  };
}

function commandEntry(members: ClientServer['members'], keep: Keep): Record<string, unknown> {
  const { command, args, cwd } = members;
  if (typeof command !== 'string' || command === '') return { skipped: 'has neither a URL nor a command' };
  const given = Array.isArray(args) ? args.map(String) : [];
  const env = textsOf(members.env).map(([name, value]) => [name, keep(name, (refer) => partVariable(name, value, refer))]);
  return {
    command,
    ...(given.length > 0 && {
      args: given.map((argument, at) => keep(`argument-${at + 1}`, (refer) => partArgument(argument, given[at - 1], refer))),
    }),
    ...(env.length > 0 && { env: Object.fromEntries(env) }),
    ...(typeof cwd === 'string' && { cwd }),
  };
}

/** A gateway cannot ask its user: what a client asks for becomes a variable of the environment. */
function ownReferences(text: string, notes: string[]): string {
  const asked = text.replace(/\$\{input:([^}]+)\}/g, (_whole, id: string) => {
    const name = id.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
    notes.push(`set the environment variable ${name}, which the client asked its user for`);
    return `\${env:${name}}`;
  });
  // Gemini writes a variable without braces.
  return /^\$[A-Za-z_][A-Za-z0-9_]*$/.test(asked) ? `\${env:${asked.slice(1)}}` : asked;
}

/** References that every client but no gateway can resolve, such as the folder of a workspace. */
function foreignReference(text: string): string | undefined {
  for (const [whole, name = ''] of text.matchAll(/\$\{([^}]*)\}/g)) {
    const known = /^(?:file|aws|vault):/.test(name) || /^(?:env:)?[A-Za-z_][A-Za-z0-9_]*(?::-[\s\S]*)?$/.test(name);
    if (!known || /^(?:workspaceFolder|workspaceRoot|userHome|cwd|pathSeparator)/.test(name)) return whole;
  }
  return undefined;
}

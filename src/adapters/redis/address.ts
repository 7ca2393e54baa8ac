/** Where a Redis store is, taken from its URL. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** The server, the Sentinels, or nodes of the cluster from which the others are learned. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  /** The name under which Sentinels know the master. */
  readonly master?: string;
  /** Of the Sentinels themselves, which have accounts of their own. */
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
}

const forms = 'redis://host:6379/0, rediss://host, redis+sentinel://host1:26379,host2/master-name or redis+cluster://host1,host2';
const dbMax = 65_535;

/**
 * Reads `redis://`, `redis+sentinel://` or `redis+cluster://`, with `rediss` for TLS. User name and password are percent-encoded.
 * @throws Error that says what is wrong and repeats no part of the URL: any part of a mistaken one may be the password
 */
export function parseAddress(url: string): RedisAddress {
  const scheme = /^(rediss?)(?:\+(sentinel|cluster))?:\/\//i.exec(url);
  if (!scheme) throw wrong(`it does not begin like one. Write ${forms}`);
  const rest = url.slice(scheme[0].length);
  const parts = /^(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^@?#]*))?(?:\?([^@#]*))?$/.exec(rest);
  if (!parts) throw wrong('a / ? # or @ in the user name or password is percent-encoded (%2F %3F %23 %40), and nothing follows a #');
  const [, credentials, hosts = '', path = '', query] = parts;
  const kind = (scheme[2]?.toLowerCase() ?? 'single') as RedisAddress['kind'];
  return {
    kind,
    tls: scheme[1]?.toLowerCase() === 'rediss',
    nodes: nodesOf(hosts, kind),
    ...credentialsOf(credentials),
    ...placeOf(path, kind),
    ...sentinelAccountOf(query, kind),
  };
}

/** The address for people: no user name, no password. */
export function describeAddress({ kind, tls, nodes, db, master }: RedisAddress): string {
  const hosts = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  const scheme = `${tls ? 'rediss' : 'redis'}${kind === 'single' ? '' : `+${kind}`}`;
  return `${scheme}://${hosts}${master === undefined ? '' : `/${master}`}${db === 0 ? '' : `/${db}`}`;
}

function nodesOf(hosts: string, kind: RedisAddress['kind']): RedisAddress['nodes'] {
  if (hosts === '') throw wrong(`it names no host. Write ${forms}`);
  const nodes = hosts.split(',').map((text, at) => {
    const found = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::([0-9]{1,5}))?$/i.exec(text);
    const port = Number(found?.[3] ?? (kind === 'sentinel' ? 26_379 : 6379));
    const host = found?.[1] ?? found?.[2];
    if (host === undefined || port < 1 || port > 65_535) throw wrong(`host number ${at + 1} is not of the form host or host:port`);
    return { host, port };
  });
  if (kind === 'single' && nodes.length > 1) {
    throw wrong('it names several hosts. Say what they are: redis+cluster://host1,host2 or redis+sentinel://host1,host2/master-name');
  }
  return nodes;
}

function credentialsOf(text: string | undefined): Pick<RedisAddress, 'username' | 'password'> {
  if (text === undefined || text === '') return {};
  const colon = text.indexOf(':');
  if (colon < 0) throw wrong('a user name comes with a password: redis://name:password@host, or redis://:password@host without a name');
  const username = decode(text.slice(0, colon));
  const password = decode(text.slice(colon + 1));
  if (password === '') throw wrong('the password is empty');
  return { password, ...(username === '' ? {} : { username }) };
}

function placeOf(path: string, kind: RedisAddress['kind']): Pick<RedisAddress, 'db' | 'master'> {
  if (kind === 'cluster') {
    if (path !== '' && path !== '0') throw wrong('a cluster has no databases: nothing stands after its hosts');
    return { db: 0 };
  }
  if (kind === 'single') return { db: databaseOf(path) };
  const [name = '', db = '', ...more] = path.split('/');
  if (name === '' || more.length > 0)
    throw wrong('after the Sentinels comes the name of the master, as in redis+sentinel://host:26379/mymaster');
  return { master: decode(name), db: databaseOf(db) };
}

function databaseOf(text: string): number {
  const db = Number(text);
  if (!/^[0-9]{0,5}$/.test(text) || db > dbMax) throw wrong('the database after the / is a whole number');
  return db;
}

function sentinelAccountOf(
  query: string | undefined,
  kind: RedisAddress['kind'],
): Pick<RedisAddress, 'sentinelUsername' | 'sentinelPassword'> {
  const found: { sentinelUsername?: string; sentinelPassword?: string } = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const known = kind === 'sentinel' && (name === 'sentinelUsername' || name === 'sentinelPassword');
    if (!known || found[name] !== undefined) {
      throw wrong('after ? only sentinelUsername and sentinelPassword are known, once each, and only for redis+sentinel://');
    }
    found[name] = value;
  }
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('a % in it is not followed by two hexadecimal digits; a percent sign itself is written %25');
  }
}

function wrong(what: string): Error {
  return new Error(`The Redis URL cannot be used: ${what}.`);
}

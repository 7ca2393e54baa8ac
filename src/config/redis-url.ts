import type { Reading } from './problems.ts';

/** A list of hosts is more than a plain URL parser knows. */
const form = /^rediss?(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^@?#]*))?(?:\?([^@#]*))?$/i;

const examples = 'redis://127.0.0.1:6379/0, redis+sentinel://h1:26379,h2:26379/name or redis+cluster://h1,h2';

/**
 * `redis://host:port/db`, `redis+sentinel://h1,h2/master-name/db`, `redis+cluster://h1,h2`; with `rediss` for TLS. What the store's own reader
 * would refuse when it connects is a problem here, with its place. No message shows any part of the URL: it may hold a password (I5).
 */
export function readRedisUrl(text: string): Reading<string> {
  const match = form.exec(text);
  if (!match) return { message: 'must be a Redis URL', hint: `${examples}; / ? # and @ in a password are written %2F %3F %23 and %40` };
  const [, written, login = '', hosts = '', path = '', query = ''] = match;
  const kind = written?.toLowerCase() ?? 'single';
  const problem = loginProblem(login) ?? hostsProblem(hosts, kind) ?? pathProblem(path, kind) ?? queryProblem(query, kind);
  return problem ?? { value: text };
}

/** The URL as people may see it: without user, password and parameters. */
export function withoutLogin(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/\?.*$/s, '');
}

/** Whether the URL holds a password, the Sentinels' own included. */
export function hasPassword(url: string): boolean {
  return /\/\/[^/@]*:[^/@]+@/.test(url) || /[?&]sentinelPassword=./.test(url);
}

function loginProblem(login: string): Reading<never> | undefined {
  if (login === '') return undefined;
  if (!decodes(login)) return { message: 'has a % that encodes nothing', hint: 'write %25 for a plain %' };
  return /^[^:]*:./s.test(login)
    ? undefined
    : { message: 'has a user without a password', hint: 'redis://user:password@host, or redis://:password@host' };
}

function hostsProblem(hosts: string, kind: string): Reading<never> | undefined {
  const list = hosts.split(',');
  if (!list.every(isHost)) return { message: 'has no valid host', hint: `such as ${examples}` };
  return kind === 'single' && list.length > 1
    ? { message: 'names more than one host', hint: 'redis+cluster:// for a cluster, redis+sentinel:// behind Sentinels' }
    : undefined;
}

function isHost(text: string): boolean {
  const match = /^(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::([0-9]{1,5}))?$/i.exec(text);
  const port = Number(match?.[1] ?? 6379);
  return match !== null && port >= 1 && port <= 65_535;
}

function pathProblem(path: string, kind: string): Reading<never> | undefined {
  const isDatabase = (text: string): boolean => /^[0-9]{0,5}$/.test(text) && Number(text) <= 65_535;
  if (kind === 'cluster')
    return path === '' || path === '0' ? undefined : { message: 'has a database, and a cluster has none to choose from' };
  if (kind === 'single') {
    return isDatabase(path)
      ? undefined
      : { message: 'has a path that is no number of a database', hint: 'such as redis://127.0.0.1:6379/0' };
  }
  const [name = '', database = '', ...more] = path.split('/');
  return name !== '' && decodes(name) && isDatabase(database) && more.length === 0
    ? undefined
    : { message: 'must end in the name of the master', hint: 'such as redis+sentinel://h1:26379,h2:26379/mymaster' };
}

function queryProblem(query: string, kind: string): Reading<never> | undefined {
  const names = [...new URLSearchParams(query).keys()];
  const known = kind === 'sentinel' ? ['sentinelUsername', 'sentinelPassword'] : [];
  return names.every((name) => known.includes(name)) && new Set(names).size === names.length
    ? undefined
    : {
        message: 'has parameters that are not known',
        hint: 'sentinelUsername and sentinelPassword are, once each, for redis+sentinel:// alone',
      };
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

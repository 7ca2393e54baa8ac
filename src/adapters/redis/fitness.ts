import type { ServerFacts } from './server-facts.ts';

/** When a commit counts as kept. See connectDurably(). */
export interface Durability {
  readonly mode: 'server' | 'fsync' | 'replicated';
  /** Mode `replicated`: how many replicas have to hold a commit. */
  readonly replicas: number;
}

/** What is wrong with a server: refusals say what to do, and with one of them nothing may be entrusted to it. */
export interface Findings {
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
}

const versionMin = '6.2';
/** Since this version a client can wait for fsync itself. */
const waitAofVersion = '7.2';
const aheadMsWarn = 2000;
const aheadMsMax = 30_000;

/** Judges what a server says of itself. */
export function judgeServer(facts: ServerFacts, wanted: { durability: Durability; cluster: boolean }): Findings {
  const identity = identityProblem(facts, wanted.cluster);
  // Of a server of the wrong kind the rest says nothing.
  if (identity !== undefined) return { refusals: [`Redis at ${facts.at} ${identity}`], warnings: [] };
  const found = [memory(facts), durability(facts, wanted.durability), clock(facts)];
  return {
    refusals: found.flatMap(({ refuse }) => (refuse === undefined ? [] : [`Redis at ${facts.at} ${refuse}`])),
    warnings: found.flatMap(({ warn }) => (warn === undefined ? [] : [`Redis at ${facts.at} ${warn}`])),
  };
}

/** Whether the server can say by itself, to each commit, that it is on disk. */
export function hasWaitAof({ version }: ServerFacts): boolean {
  return version !== undefined && !isOlder(version, waitAofVersion);
}

interface Finding {
  readonly refuse?: string;
  readonly warn?: string;
}

function identityProblem({ version, mode, role }: ServerFacts, cluster: boolean): string | undefined {
  if (mode === 'sentinel') return 'is a Sentinel. Write redis+sentinel://host:port/master-name';
  if (version === undefined) return `does not say its version. keygate needs Redis ${versionMin} or newer, or Valkey`;
  if (isOlder(version, versionMin)) return `has version ${version}. keygate needs ${versionMin} or newer`;
  if (mode === 'cluster' && !cluster) return 'is a node of a cluster. Write redis+cluster:// instead of redis://';
  if (mode !== 'cluster' && cluster) return 'is a single server. Write redis:// instead of redis+cluster://';
  if (role !== 'master') return 'is a replica: it takes no writes. Name the master, or the Sentinels with redis+sentinel://';
  return undefined;
}

function memory({ maxmemory, maxmemoryPolicy }: ServerFacts): Finding {
  if (maxmemoryPolicy === undefined) return { warn: 'does not say its maxmemory-policy: make sure that it is noeviction' };
  if (maxmemoryPolicy === 'noeviction') return {};
  const cure = 'CONFIG SET maxmemory-policy noeviction, and in its configuration file';
  const evicts = `has maxmemory-policy ${maxmemoryPolicy}, which deletes balances and keys when memory is short`;
  // 0 is no limit, so nothing is evicted; a hosted server that hides the limit has one.
  return maxmemory === 0 ? { warn: `${evicts}. There is no maxmemory yet; before it gets one: ${cure}` } : { refuse: `${evicts}. ${cure}` };
}

function durability(facts: ServerFacts, { mode, replicas }: Durability): Finding {
  const { appendonly, appendfsync, connectedReplicas } = facts;
  const always = appendonly === true && appendfsync === 'always';
  if (mode === 'fsync') {
    if (always) return {};
    const cure =
      'CONFIG SET appendonly yes, CONFIG SET appendfsync always, and in its configuration file; or choose another redis.durability';
    if (appendonly === false) return { refuse: `has appendonly no, but redis.durability is fsync. ${cure}` };
    if (hasWaitAof(facts)) return {};
    return { refuse: `has appendfsync ${appendfsync ?? 'hidden from this account'}, but redis.durability is fsync. ${cure}` };
  }
  if (mode === 'replicated' && connectedReplicas < replicas) {
    return {
      warn: `has ${connectedReplicas} of the ${replicas} replicas that redis.durability replicated needs: no call is admitted without them`,
    };
  }
  if (mode === 'replicated' || always) return {};
  if (appendonly === false)
    return { warn: 'has appendonly no: when it restarts, all keys, balances and the journal since its last snapshot are gone' };
  if (appendonly === undefined || appendfsync === undefined) {
    return { warn: 'does not say its appendonly and appendfsync: with less than `always`, a crash may lose the last commits' };
  }
  return { warn: `has appendfsync ${appendfsync}: a crash may lose the commits of the last second. redis.durability: fsync refuses that` };
}

function clock({ aheadMs }: ServerFacts): Finding {
  const off = Math.abs(aheadMs);
  if (off <= aheadMsWarn) return {};
  const what = `has a clock ${(off / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return off > aheadMsMax
    ? { refuse: `${what}. Let both follow one time server (NTP)` }
    : { warn: `${what}: let both follow one time server (NTP)` };
}

/** By number, so that 6.10 is newer than 6.2. */
function isOlder(version: string, than: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  const [c = 0, d = 0] = than.split('.').map(Number);
  // A version that is no number is older than all.
  return !(a > c || (a === c && b >= d));
}

import { type Cluster, Redis } from 'ioredis';
import type { Log } from '../../ports/observe.ts';
import { StoreUnreachable } from '../../ports/store.ts';
import type { Connection } from './connection.ts';
import { type Durability, type Findings, judgeServer } from './fitness.ts';
import { elsewhere, everyPartition, prefixOf } from './layout.ts';
import { loadScript } from './scripts.ts';
import { type ServerFacts, serverFacts } from './server-facts.ts';

/** What every master that answered says of itself, judged. */
export interface Inspection extends Findings {
  readonly facts: readonly ServerFacts[];
}

const slots = 16_384;

/** Types of the names that stand in every partition, and of those that stand alone. A missing one is as good as the right one. */
const partitionTypes = { holds: 'hash', due: 'zset', leases: 'zset', journal: 'stream', seq: 'string' } as const;
const singleTypes = [
  [elsewhere.index, 'zset'],
  [elsewhere.changes, 'stream'],
  [elsewhere.replicas, 'hash'],
  [elsewhere.meta, 'hash'],
] as const;

/**
 * Checks, before anything is entrusted to it, that the server, or every master of the cluster, is what the ledger needs: its kind and version,
 * that it evicts nothing, keeps what `durability` says, has about our time, lets this account do all that is done, and that no name of ours
 * is in use for something else.
 * @throws StoreUnreachable where it does not answer; Error with everything that is wrong and what to do about it. What is merely risky is logged as a warning.
 */
export async function checkServer(
  connection: Connection,
  { durability, now, log }: { durability: Durability; now: () => number; log: Pick<Log, 'warn'> },
): Promise<Inspection> {
  const inspection = await inspectMasters(connection, { durability, now });
  for (const warning of inspection.warnings) log.warn(warning);
  if (inspection.refusals.length > 0) throw new Error(inspection.refusals.join('\n'));
  const problems = await Promise.all([slotProblems(connection.client), nameProblems(connection)]).then(
    (found) => found.flat(),
    (reason: unknown) => {
      throw unanswered(reason);
    },
  );
  if (problems.length > 0) throw new Error([...new Set(problems)].join('\n'));
  return inspection;
}

/** @throws Error where none answers; a cluster of which some nodes answer is judged by those */
export async function inspectMasters(
  connection: Connection,
  { durability, now }: { durability: Durability; now: () => number },
): Promise<Inspection> {
  const cluster = !(connection.client instanceof Redis);
  const answers = await Promise.allSettled(connection.masters().map((node) => serverFacts(node, now)));
  const facts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const failed = answers.find((answer) => answer.status === 'rejected');
  if (facts.length === 0) throw unanswered(failed?.reason);
  const judged = facts.map((one) => judgeServer(one, { durability, cluster }));
  return {
    facts,
    refusals: judged.flatMap(({ refusals }) => refusals),
    warnings: judged.flatMap(({ warnings }) => warnings),
  };
}

function unanswered(reason: unknown): Error {
  if (reason instanceof StoreUnreachable) return reason;
  const why = reason instanceof Error ? reason.message : 'it has no master';
  if (why.startsWith('NOPERM'))
    return new Error(`Redis refuses what has to be asked before its use: ${why}. Grant that to keygate's account.`);
  const message = `Redis does not answer the questions that come before its use: ${why}`;
  return isAnswer(reason) ? new Error(message) : new StoreUnreachable(message);
}

async function slotProblems(client: Redis | Cluster): Promise<string[]> {
  if (client instanceof Redis) return [];
  const said = String(await client.cluster('INFO'));
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(said)?.[1];
  const cure = 'See what redis-cli --cluster check says of it; redis-cli --cluster fix repairs it';
  if (field('cluster_state') !== 'ok') return [`The Redis cluster is not ready: cluster_state is ${field('cluster_state')}. ${cure}`];
  const served = Number(field('cluster_slots_ok'));
  return served === slots ? [] : [`The Redis cluster serves ${served} of ${slots} slots. ${cure}`];
}

/** Every partition is visited, so every node that may hold one says whether this account may use it. */
async function nameProblems(connection: Connection): Promise<string[]> {
  const script = loadScript('check-names');
  const types = Object.entries(partitionTypes).flat();
  const visits = everyPartition().map(async (partition) => {
    const said = String(await connection.run(script, [prefixOf(partition)], types).catch(refused));
    if (isPassing(said)) throw new StoreUnreachable(`Redis takes no writes now: ${said}`);
    return said === ''
      ? []
      : [`The Redis store cannot be used: ${said}. Grant what is missing to keygate's account, or use another database.`];
  });
  const lookups = singleTypes.map(async ([name, type]) => {
    const found = await connection.client.type(name);
    if (found === 'none' || found === type) return [];
    return [
      `The Redis store cannot be used: the name ${name} is taken by a value of type ${found} where ${type} belongs. Use another database.`,
    ];
  });
  return (await Promise.all([...visits, ...lookups])).flat();
}

/** An answer of the server is a finding; that there was none is not. */
function refused(error: unknown): string {
  if (error instanceof Error && isAnswer(error)) return error.message;
  throw error;
}

/** No memory, no disk, no replicas, a script that does not end: operators put these right while gateways wait. @param said by the server, or by a script of what it was told */
export function isPassing(said: string): boolean {
  return /(?:^|refused: )(?:OOM|MISCONF|NOREPLICAS|BUSY) /.test(said);
}

function isAnswer(error: unknown): boolean {
  return error instanceof Error && /^(?:NOPERM|OOM|MISCONF|READONLY|NOREPLICAS|WRONGTYPE|ERR|BUSY) /.test(error.message);
}

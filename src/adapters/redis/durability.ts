import { Redis } from 'ioredis';
import type { Log } from '../../ports/observe.ts';
import { type Ask, askDisk, askReplicas, shareQuestions } from './acknowledge.ts';
import { type ConnectOptions, openConnection } from './connect.ts';
import type { Connection } from './connection.ts';
import { type Durability, hasWaitAof } from './fitness.ts';
import { checkServer, type Inspection, inspectMasters } from './startup.ts';

const checkAgainMs = 1000;

/**
 * What a store is opened with: connects, checks the server, and answers for what is kept.
 * @throws Error without a secret that says what to do
 */
export async function connectDurably(
  url: string,
  options: ConnectOptions & { durability: Durability; now: () => number; log: Pick<Log, 'warn' | 'fault'> },
): Promise<Connection> {
  const connection = await openConnection(url, options);
  try {
    const checked = await checkServer(connection, options);
    const waitMs = Math.min(1000, Math.floor((options.commandTimeoutMs ?? 2000) / 2));
    return durable(connection, { ...options, checked, waitMs });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/**
 * A connection that says a script has run only when what it wrote is kept:
 * - `server`: as the server is set up; a crash or failover may lose the last commits;
 * - `fsync`: on the master's disk;
 * - `replicated`: received by so many replicas, so that a failover to one of them loses nothing.
 *
 * Whenever a connection was made anew the server is judged again before anything runs: a failover may have put another one in its place. Only
 * run() and runAt() are covered; commands given to the client itself are not.
 * @param options.checked  what checkServer has just found
 * @param options.waitMs  for replicas or the disk, less than the commandTimeoutMs of the connection
 */
function durable(
  connection: Connection,
  options: { durability: Durability; checked: Inspection; waitMs: number; now: () => number; log: Pick<Log, 'warn' | 'fault'> },
): Connection {
  const judge = judgeAgain(connection, options);
  const ask = questionOf(options);
  const runAt: Connection['runAt'] = async (script, keys, args) => {
    await judge.passed();
    const ran = await connection.runAt(script, keys, args);
    if (ask !== undefined && (options.durability.mode !== 'fsync' || judge.asksDisk())) {
      await ask(ran.node, keys[0] ?? '');
      if (!ran.unbroken()) throw new Error('The connection to Redis was lost before a commit was known to be kept.');
    }
    return ran;
  };
  return {
    ...connection,
    run: async (...script) => (await runAt(...script)).reply,
    runAt,
    trouble: () => connection.trouble() ?? judge.trouble(),
    close: async () => {
      judge.stop();
      await connection.close();
    },
  };
}

function questionOf({ durability: { mode, replicas }, waitMs }: { durability: Durability; waitMs: number }): Ask | undefined {
  if (mode === 'replicated') return shareQuestions(askReplicas({ replicas, waitMs }));
  return mode === 'fsync' ? shareQuestions(askDisk({ waitMs })) : undefined;
}

interface Judge {
  /** @throws Error where the server may not be used */
  passed(): Promise<void>;
  /** Whether a commit is on disk only when the server was asked for it. */
  asksDisk(): boolean;
  trouble(): string | undefined;
  stop(): void;
}

function judgeAgain(
  connection: Connection,
  options: { durability: Durability; checked: Inspection; now: () => number; log: Pick<Log, 'warn' | 'fault'> },
): Judge {
  const { durability, checked, now, log } = options;
  const single = connection.client instanceof Redis;
  const warned = new Set(checked.warnings);
  let stale = false;
  let checking: Promise<void> | undefined;
  let problem: string | undefined;
  let asksDisk = needsQuestion(checked);
  let timer: NodeJS.Timeout | undefined;

  const judge = async () => {
    stale = false;
    try {
      const inspection = await inspectMasters(connection, { durability, now });
      const { refusals, warnings } = inspection;
      for (const warning of warnings.filter((text) => !warned.has(text))) log.warn(warning);
      for (const warning of warnings) warned.add(warning);
      asksDisk = needsQuestion(inspection);
      const refusal = refusals.length === 0 ? undefined : refusals.join('\n');
      if (refusal !== undefined && refusal !== problem) log.fault('The Redis server may not be used any more', new Error(refusal));
      problem = refusal;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    clearTimeout(timer);
    if (problem !== undefined) timer = setTimeout(() => void check(), checkAgainMs).unref();
  };
  /** Never rejects. */
  const check = (): Promise<void> => {
    checking ??= judge().finally(() => {
      checking = undefined;
    });
    return checking;
  };
  connection.onLink((change) => {
    // The first command over a single new connection already waits. In a cluster the nodes come and go one by one, and one that is away must
    // not hold up the others.
    if (single || change === 'made') stale = true;
    if (change === 'made') void check();
  });
  return {
    passed: async () => {
      if (stale || checking !== undefined) await check();
      if (stale) throw new Error('Redis may not be used: its connection was lost again before it was checked');
      if (problem !== undefined) throw new Error(`Redis may not be used: ${problem}`);
    },
    asksDisk: () => asksDisk,
    trouble: () => problem,
    stop: () => clearTimeout(timer),
  };
}

/** With `always` a server has written to disk before it answers anything. */
function needsQuestion({ facts }: Inspection): boolean {
  return facts.some((one) => one.appendfsync !== 'always' && hasWaitAof(one));
}

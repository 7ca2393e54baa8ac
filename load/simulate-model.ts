import { seeded } from '../test/support/replica-load.ts';
import { passCall, type Step } from './simulate-calls.ts';

/** What a process spends: in each turn of its event loop whatever it finds, then for each thing it found. Microseconds of processor time. */
export interface Costs {
  readonly load: Work;
  readonly stub: Work;
  readonly gateway: Work & { readonly perScript: number };
  /** `perCall` is for admit and settle together, as all members of that name. */
  readonly redis: Work & { readonly perScript: number };
  /** Of one gateway of all, for each call of the whole system: moving its two records into segments. */
  readonly sealer: number;
  /** Of Redis, for the same. */
  readonly sealed: number;
}

interface Work {
  readonly perTurn: number;
  readonly perCall: number;
  /** Of other threads, such as those that collect garbage: they hold nothing up but take a core. */
  readonly otherThreads: number;
}

export interface Stage {
  readonly costs: Costs;
  /** Cores that all processes share. Infinity: each has one. */
  readonly cores: number;
  readonly gateways: number;
  /** Redis servers; a partition is on one of them. */
  readonly shards: number;
  /** Each makes one call at a time, always at the same gateway. */
  readonly callers: number;
  /** Partitions that calls concern in turn: calls of one partition in one turn of a gateway share a script. */
  readonly partitions: number;
  /** Whether admits and settles share scripts, as draws from leases do. */
  readonly joint: boolean;
  /** One way between any two processes, in microseconds. */
  readonly delay: number;
  readonly calls: number;
  readonly seed: number;
}

export interface Simulated {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly scripts: number;
  /** Turns of all processes of a kind, for each call. */
  readonly turns: Readonly<Record<Kind, number>>;
  /** Share of its own time that the busiest process of a kind is at work. */
  readonly busiest: Readonly<Record<Kind, number>>;
}

export type Kind = 'load' | 'gateway' | 'redis' | 'stub';

/** Something that a process finds in its sockets: a step of some calls, of the same caller for each but in scripts. */
export interface Message {
  readonly to: number;
  readonly step: Step;
  readonly callers: readonly number[];
  /** In the script of another message. */
  readonly rides?: true;
}

interface Process {
  readonly kind: Kind;
  /** Its number among all. */
  readonly number: number;
  /** What has come and was not looked at yet. */
  inbox: Message[];
  /** What the turn that runs looks at, and the work that is left of the first of it. */
  turn: Message[];
  at: number;
  left: number;
  /** What its other threads still have to do. */
  aside: number;
  turns: number;
  busy: number;
}

/** Calls at the beginning that are not counted: callers begin all at once. */
const warmShare = 0.2;
/** Number of the process that seals for all: the first gateway. */
const sealer = 2;
/** Calls whose records it seals in one turn, as seal.ts has it. */
const sealedMax = 100;
/** A turn costs from half to one and a half of what it does on average, or all would go in step. */
const spread = 0.5;

/**
 * A closed system of single-threaded processes: callers, gateways, Redis servers and one upstream, which share cores evenly. A process takes
 * whatever has come to it in one turn. Gateways send their scripts, and Redis its answers, when the turn is over; everything else is sent at once.
 * The same stage gives the same result.
 */
export function simulate(stage: Stage): Simulated {
  const { costs, cores, gateways, shards, callers, delay, calls } = stage;
  const random = seeded(stage.seed);
  const kinds: Kind[] = ['load', 'stub', ...Array<Kind>(gateways).fill('gateway'), ...Array<Kind>(shards).fill('redis')];
  const all = kinds.map((kind, number): Process => ({ kind, number, inbox: [], turn: [], at: 0, left: 0, aside: 0, turns: 0, busy: 0 }));
  const pass = passCall(stage);
  const transit: { at: number; message: Message }[] = [];
  const begunAt = new Float64Array(callers);
  const times: number[] = [];
  let now = 0;
  let done = 0;
  let scripts = 0;
  let unsealed = 0;
  let since = { now: 0, scripts: 0 };

  const send = (message: Message): void => {
    if (delay > 0) transit.push({ at: now + delay, message });
    else all[message.to]?.inbox.push(message);
  };
  const next = (one: Process, perTurn: number): void => {
    const message = one.turn[one.at];
    if (message === undefined) return;
    const { work, aside } = workOf(one.kind, message, costs);
    if (message.step === 'arrive') unsealed += message.callers.length;
    one.left = (perTurn + work) * (1 - spread + 2 * spread * random());
    one.aside += aside;
  };
  const begin = (one: Process): void => {
    Object.assign(one, { turn: one.inbox, at: 0, inbox: [], turns: one.turns + 1 });
    const sealed = one.number === sealer ? Math.min(unsealed, sealedMax) : 0;
    unsealed -= sealed;
    next(one, costs[one.kind].perTurn + sealed * costs.sealer);
  };
  const end = (one: Process): void => {
    const sent = pass.atEnd(one.number, one.turn);
    if (one.kind === 'gateway') scripts += sent.filter(({ rides }) => !rides).length;
    one.turn = [];
    for (const each of sent) send(each);
  };
  const finish = (one: Process): void => {
    const message = one.turn[one.at];
    for (const caller of message?.step === 'answer' ? message.callers : []) {
      done += 1;
      if (since.now > 0) times.push(now - (begunAt[caller] ?? 0));
      begunAt[caller] = now;
    }
    if (message) for (const sent of pass.atOnce(one.number, message)) send(sent);
    one.at += 1;
    if (one.at < one.turn.length) next(one, 0);
    else end(one);
  };

  for (const message of pass.first()) send(message);
  while (done < calls) {
    for (const one of all) if (one.turn.length === 0 && one.inbox.length > 0) begin(one);
    let jobs = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const one of all) {
      if (one.turn.length > 0) {
        jobs += 1;
        least = Math.min(least, one.left);
      }
      if (one.aside > 0) {
        jobs += 1;
        least = Math.min(least, one.aside);
      }
    }
    const rate = Math.min(1, cores / jobs);
    // Messages are sent in the order in which they arrive, since all take the same time.
    const step = Math.min(least / rate, (transit[0]?.at ?? Number.POSITIVE_INFINITY) - now);
    now += step;
    for (const one of all) {
      one.aside = settle(one.aside - step * rate);
      if (one.turn.length === 0) continue;
      one.left = settle(one.left - step * rate);
      one.busy += step;
      if (one.left === 0) finish(one);
    }
    let arrived = 0;
    for (; (transit[arrived]?.at ?? Number.POSITIVE_INFINITY) <= now + 1e-9; arrived += 1) {
      const message = transit[arrived]?.message;
      if (message) all[message.to]?.inbox.push(message);
    }
    transit.splice(0, arrived);
    if (since.now === 0 && done >= calls * warmShare) {
      since = { now, scripts };
      for (const one of all) Object.assign(one, { turns: 0, busy: 0 });
    }
  }
  return told({ all, times, elapsed: now - since.now, scripts: scripts - since.scripts });
}

/** What is left of work is zero where it is only left by rounding. */
function settle(left: number): number {
  return left > 1e-6 ? left : 0;
}

function workOf(kind: Kind, message: Message, costs: Costs): { work: number; aside: number } {
  const { step, callers, rides } = message;
  const share = (shares[kind][step] ?? 0) * callers.length;
  let work = costs[kind].perCall * share;
  if (kind === 'redis') work += (rides ? 0 : costs.redis.perScript) + (step === 'settle' ? costs.sealed * callers.length : 0);
  // What a script costs its sender is counted when its answer comes.
  if (kind === 'gateway' && !rides && (step === 'admitted' || step === 'settled')) work += costs.gateway.perScript;
  return { work, aside: costs[kind].otherThreads * share };
}

/** How a call's cost falls on its steps, which is a guess: how many calls pass in a second does not depend on it, how long one takes does a little. */
const shares: Readonly<Record<Kind, Partial<Record<Step, number>>>> = {
  load: { answer: 1 },
  stub: { forward: 1 },
  gateway: { arrive: 0.4, admitted: 0.25, answered: 0.25, settled: 0.1 },
  redis: { admit: 0.5, settle: 0.5 },
};

function told(options: { all: readonly Process[]; times: number[]; elapsed: number; scripts: number }): Simulated {
  const { all, times, elapsed, scripts } = options;
  const calls = times.length;
  times.sort((one, other) => one - other);
  const at = (share: number) => (times[Math.floor(calls * share)] ?? Number.NaN) / 1000;
  const each = (of: (some: readonly Process[]) => number): Record<Kind, number> => {
    const kind = (name: Kind) => of(all.filter((one) => one.kind === name));
    return { load: kind('load'), gateway: kind('gateway'), redis: kind('redis'), stub: kind('stub') };
  };
  return {
    perSecond: (calls / elapsed) * 1e6,
    ...{ p50: at(0.5), p99: at(0.99), scripts: scripts / calls },
    turns: each((some) => some.reduce((sum, { turns }) => sum + turns, 0) / calls),
    busiest: each((some) => Math.max(...some.map(({ busy }) => busy / elapsed))),
  };
}

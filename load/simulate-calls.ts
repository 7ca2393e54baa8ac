import type { Message } from './simulate-model.ts';

/** What happens to a call, in order; `answer` is what its caller waits for, and the settle follows it. */
export type Step = 'arrive' | 'admit' | 'admitted' | 'forward' | 'answered' | 'answer' | 'settle' | 'settled';

/** As grouped.ts has it: calls in one script at most. */
const callsMax = 64;
const load = 0;
const stub = 1;

/** The way of calls through the processes, which are known by number: the load is 0, the upstream 1, then gateways, then Redis servers. */
export interface Passing {
  first(): Message[];
  /** What a process sends as soon as it has looked at this. */
  atOnce(process: number, looked: Message): Message[];
  /** What it sends at the end of the turn in which it has looked at these. */
  atEnd(process: number, turn: readonly Message[]): Message[];
}

export function passCall(options: { gateways: number; shards: number; callers: number; partitions: number; joint: boolean }): Passing {
  const { gateways, shards, callers, partitions, joint } = options;
  const gatewaysFrom = 2;
  const redisFrom = gatewaysFrom + gateways;
  const partitionOf = new Int32Array(callers);
  let begun = 0;

  const arrive = (caller: number): Message => {
    partitionOf[caller] = begun % partitions;
    begun += 1;
    return { to: gatewayOf(caller), step: 'arrive', callers: [caller] };
  };
  const gatewayOf = (caller: number) => gatewaysFrom + (caller % gateways);
  const scripts = (step: 'admit' | 'settle', of: readonly number[]): Map<number, Message[]> => {
    const groups = Map.groupBy(of, (caller) => partitionOf[caller] ?? 0);
    const messages = ([partition, all]: [number, number[]]): [number, Message[]] => {
      const parts = Array.from({ length: Math.ceil(all.length / callsMax) }, (_, at) => all.slice(at * callsMax, (at + 1) * callsMax));
      return [partition, parts.map((part) => ({ to: redisFrom + (partition % shards), step, callers: part }))];
    };
    return new Map([...groups].map(messages));
  };
  const scriptsOf = (turn: readonly Message[]): Message[] => {
    const those = (step: Step) => turn.filter((message) => message.step === step).flatMap((message) => message.callers);
    const admits = scripts('admit', those('arrive'));
    const settles = scripts('settle', those('answered'));
    // Draws from leases and what ends them are calls of one script: the second of the two needs no run of its own.
    const riding = ([partition, messages]: [number, Message[]]) =>
      messages.map((message, at): Message => (joint && at === 0 && admits.has(partition) ? { ...message, rides: true } : message));
    return [...[...admits.values()].flat(), ...[...settles].flatMap(riding)];
  };
  return {
    first: () => Array.from({ length: callers }, (_, caller) => arrive(caller)),
    atOnce(process, { step, callers: of }) {
      if (process === load) return of.map(arrive);
      if (process === stub) return of.map((caller) => ({ to: gatewayOf(caller), step: 'answered', callers: [caller] }));
      if (step === 'admitted') return of.map((caller) => ({ to: stub, step: 'forward', callers: [caller] }));
      return step === 'answered' ? of.map((caller) => ({ to: load, step: 'answer', callers: [caller] })) : [];
    },
    atEnd(process, turn) {
      if (process < gatewaysFrom) return [];
      if (process < redisFrom) return scriptsOf(turn);
      return turn.map((script) => ({
        ...script,
        to: gatewayOf(script.callers[0] ?? 0),
        step: script.step === 'admit' ? 'admitted' : 'settled',
      }));
    },
  };
}

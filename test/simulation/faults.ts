import type { Chance } from './chance.ts';

/** What can become of one act at the store. `reply lost`: it is done, and nobody is told. `store slow`: done later than anybody waits, sometimes. */
export const storeFaults = ['store fails', 'reply lost', 'store slow', 'store hangs', 'sent twice'] as const;
export type StoreFault = (typeof storeFaults)[number];

/** Where a request stands while it waits for something. */
export const stages = ['authenticate', 'locate', 'admit', 'forward', 'settle', 'refuse'] as const;
export type StageName = (typeof stages)[number];

export const happenings = ['crash', 'client leaves', 'key revoked', 'key narrowed', 'clock jumps'] as const;
export const upstreamEndings = [
  'answers',
  'answers as events',
  'answers an error',
  'answers a tool error',
  'answers status 500',
  'answers garbage',
  'answers another id',
  'resets',
  'refuses',
  'stays silent',
] as const;
export type UpstreamEnding = (typeof upstreamEndings)[number];

/** Every pair of fault and stage that there is. A run of many seeds must reach them all. */
export function everyPair(): string[] {
  const atStore = storeFaults.flatMap((fault) => stages.filter((stage) => canMeet(fault, stage)).map((stage) => pairOf(fault, stage)));
  // By the settle the client has its answer, so it cannot leave any more.
  const beside = happenings.flatMap((event) =>
    stages.filter((stage) => !(event === 'client leaves' && stage === 'settle')).map((stage) => pairOf(event, stage)),
  );
  return [...atStore, ...beside, ...upstreamEndings.map((ending) => pairOf(ending, 'forward'))];
}

export function pairOf(fault: string, stage: string): string {
  return `${fault} x ${stage}`;
}

/**
 * Reads are bounded in time by the store's own clients, so they do not hang. Only acts with an id of their own may come twice. While an
 * upstream answers, nothing is asked of the store.
 */
function canMeet(fault: StoreFault, stage: StageName): boolean {
  if (stage === 'forward') return false;
  if (fault === 'sent twice') return stage === 'admit' || stage === 'settle';
  if (fault === 'store hangs') return stage === 'admit' || stage === 'settle' || stage === 'refuse';
  return fault !== 'reply lost' || (stage !== 'authenticate' && stage !== 'locate');
}

/** How the store is: fine for most of the time, and for a while each act may meet this fault. */
export interface Weather {
  change(): void;
  clear(): void;
  /** The fault that this act meets, if any. */
  meet(stage: StageName): StoreFault | undefined;
  readonly fine: boolean;
}

export function createWeather(chance: Chance): Weather {
  let now: StoreFault | undefined;
  return {
    change() {
      now = now === undefined ? chance.of(storeFaults) : undefined;
    },
    clear() {
      now = undefined;
    },
    meet: (stage) => (now !== undefined && canMeet(now, stage) && chance.is(0.6) ? now : undefined),
    get fine() {
      return now === undefined;
    },
  };
}

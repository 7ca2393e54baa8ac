import { setTimeout as wait } from 'node:timers/promises';
import type { Checkpoint } from '../../../domain/record.ts';
import { countIntake } from './intake.ts';
import { moveArchive } from './move.ts';
import type { JournalParts } from './parts.ts';
import { sealStep } from './seal.ts';
import { type Survey, survey } from './survey.ts';

/** A sealer that died gives its place up after this long. */
const dutyMs = 10_000;
const duty = 'seal';
/** How long another sealer is waited for before this one acts too, which is harmless: 20 looks, 50 ms apart. */
const looksMax = 20;
const lookMs = 50;
/** Steps in a row that may seal nothing, because another sealer was faster or numbers had to be put right. */
const idleStepsMax = 20;
const fullRecords = 5_000;

export interface Sealer {
  /** How far the journal is sealed now. */
  look(): Promise<Survey>;
  /** Seals what waits, unless another process is at it. Resolves to the checkpoints that this process made. */
  seal(now: number): Promise<Checkpoint[]>;
  /** Seals whatever was committed before the call, or waits until another process has. */
  sealAll(now: number): Promise<void>;
  /** Seals where so much waits that Redis' memory should be relieved. Cheap; meant to be called every other second. */
  sealIfFull(now: number): Promise<void>;
}

export function createSealer(parts: JournalParts): Sealer {
  const { archive, redisArchive, notes, connection, duties } = parts;
  let before: Survey | undefined;
  let settled = archive === redisArchive;
  const look = async (): Promise<Survey> => {
    const found = await survey({ archive, notes, publicKeys: parts.publicKeys(), before });
    if (found.problems.length > 0) return found;
    before = found;
    const { note, sealed, anchors } = found;
    if (note && anchors && note.pruned < anchors.through) await notes.prune(anchors.through, anchors.position);
    // Kept by a sealer that died before it noted the segment, or that is about to note it: what is noted can be read.
    if (note && note.number < sealed.number && (await notes.advance(note, sealed)) === 'ok') {
      return { ...found, note: { ...note, number: sealed.number, line: sealed.line } };
    }
    return found;
  };
  const run = inTurn(async (now: number): Promise<Checkpoint[]> => {
    if (!settled) await moveArchive(parts);
    settled = true;
    const signed = new Map<string, Checkpoint>();
    let partitions: readonly string[] | undefined;
    for (let idle = 0; idle < idleStepsMax; ) {
      const found = await look();
      const step = await sealStep(parts, found, { now, partitions });
      for (const checkpoint of step.signed) signed.set(checkpoint.partition, checkpoint);
      if (step.sealed) before = { ...found, sealed: step.sealed };
      if (step.rest?.length === 0) return [...signed.values()];
      partitions = step.rest;
      idle = step.signed.length > 0 ? 0 : idle + 1;
      if (idle > 2) await wait(lookMs);
    }
    throw new Error(
      `The journal could not be sealed in ${idleStepsMax} attempts: other gateways seal at the same time, or the archive forgets.`,
    );
  });
  const mine = async <Result>(act: () => Promise<Result>): Promise<Result | undefined> => {
    if (!(await duties.hold(duty, dutyMs))) return undefined;
    return act().finally(() => duties.release(duty));
  };
  const reached = async (wanted: ReadonlyMap<string, number>): Promise<boolean> => {
    const { checkpoints } = (await look()).sealed;
    return [...wanted].every(([partition, seq]) => (checkpoints.get(partition)?.seq ?? 0) >= seq);
  };
  const seal = async (now: number): Promise<Checkpoint[]> => (await mine(() => run(now))) ?? [];
  return {
    look,
    seal,
    async sealAll(now) {
      if (await mine(() => run(now))) return;
      const wanted = new Map((await countIntake(connection)).map(({ partition, seq }) => [partition, seq]));
      for (let looks = 0; looks < looksMax; looks += 1) {
        if (await reached(wanted)) return;
        await wait(lookMs);
      }
      await run(now);
    },
    async sealIfFull(now) {
      // What another process has sealed meanwhile counts as waiting, until this one has looked.
      const heads = before?.sealed.checkpoints;
      const waiting = (await countIntake(connection)).filter(({ rows }) => rows > 0);
      const records = waiting.reduce((sum, { partition, seq }) => sum + seq - (heads?.get(partition)?.seq ?? 0), 0);
      if (records >= fullRecords) await seal(now);
    },
  };
}

/** One run at a time. Who calls during a run shares the next one, which begins after the call. */
function inTurn<Argument, Result>(act: (argument: Argument) => Promise<Result>): (argument: Argument) => Promise<Result> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<Result> | undefined;
  return (argument) => {
    next ??= running
      .catch(() => undefined)
      .then(() => {
        const begun = act(argument);
        running = begun;
        next = undefined;
        return begun;
      });
    return next;
  };
}

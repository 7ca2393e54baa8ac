import { Pool } from 'undici';
import { exchange } from './exchange.ts';
import { type Measured, observe, type Way } from './measure.ts';

/** So many that none of them is waited for, whatever an answer takes: calls come when they are due, as those of strangers do. */
const connections = 128;

/**
 * What is not measured, in seconds: the ways are measured in turn, so each has stood idle for a while, its connections are closed and V8 may be tidying up. The first
 * calls after that say what a call costs after a pause, and not at a rate.
 */
const leadInSeconds = 1;

/** Calls of a while. Times are in milliseconds. */
type Driven = Awaited<ReturnType<Parameters<typeof observe>[1]>>;

/**
 * Calls at a fixed rate, whether the calls before are answered or not, so that a slow answer delays no other call. Times are taken from when a
 * call was written; the timer that sends it, of a millisecond's grain, is the same for every way.
 */
export async function measureSteady(way: Way, { rate, seconds }: { rate: number; seconds: number }): Promise<Measured> {
  const { origin } = new URL(way.url);
  const pool = new Pool(origin, { connections, pipelining: 1 });
  try {
    const before = await drive(pool, way, { rate, seconds: leadInSeconds });
    const measured = await observe(way, () => drive(pool, way, { rate, seconds }));
    return { ...measured, wrong: before.wrong + measured.wrong };
  } finally {
    await pool.close();
  }
}

async function drive(pool: Pool, way: Way, { rate, seconds }: { rate: number; seconds: number }): Promise<Driven> {
  const { pathname } = new URL(way.url);
  const times: number[] = [];
  let wrong = 0;
  const running: Promise<void>[] = [];
  const send = async (): Promise<void> => {
    const began = performance.now();
    const answered = await exchange(pool, { ...way, path: pathname }).catch(() => undefined);
    times.push(performance.now() - began);
    if (answered?.status !== 200 || answered.text !== way.answer) wrong += 1;
  };
  const began = performance.now();
  const all = rate * seconds;
  const sent = Promise.withResolvers<void>();
  const tick = (): void => {
    const due = Math.min(all, Math.floor(((performance.now() - began) / 1_000) * rate));
    while (running.length < due) running.push(send());
    if (running.length < all) setTimeout(tick, 1);
    else sent.resolve();
  };
  tick();
  await sent.promise;
  await Promise.all(running);
  return { times, seconds: (performance.now() - began) / 1_000, wrong };
}

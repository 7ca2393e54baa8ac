import * as z from 'zod';
import type { BreakerTerms, UpstreamLimits } from '../domain/upstream-terms.ts';
import { readCount, readDuration } from './amounts.ts';
import type { Reading } from './problems.ts';
import { meaning } from './reading.ts';

const openFor = meaning(z.string(), (text): Reading<number> => {
  const reading = readDuration(text);
  const fits = !('value' in reading) || (reading.value >= 100 && reading.value <= 600_000);
  return fits ? reading : { message: 'must be from 100ms to 10m', hint: 'such as 10s' };
});

function count(least: number, most: number) {
  return meaning(z.union([z.int(), z.string()]), (written): Reading<number> => {
    const reading = readCount(written);
    const fits = !('value' in reading) || (reading.value >= least && reading.value <= most);
    return fits ? reading : { message: `must be from ${least} to ${most}` };
  });
}

const terms = z
  .strictObject({
    failures: count(1, 1_000).prefault(10).describe('Failures in a row that open the breaker.'),
    ratio: z.number().gt(0).lt(1).optional().describe('Share of the last calls that may fail; beyond it the breaker opens too.'),
    calls: count(2, 1_000).prefault(20).describe('How many calls the share is of.'),
    openFor: openFor.prefault('10s').describe('Time until one call may try again.'),
  })
  .transform(
    ({ failures, ratio, calls, openFor: openForMs }): BreakerTerms => ({
      ...{ failures, calls, openForMs },
      ...(ratio !== undefined && { ratio }),
    }),
  );

/** The written form of an upstream's `breaker`; `false` = it is always called. */
export const breakerSchema = z.union([z.literal(false), terms]);

/** The written form of an upstream's `limits`. */
export const upstreamLimitsSchema = z
  .strictObject({
    concurrencyMax: count(1, 100_000).prefault(256).describe('Calls under way at once.'),
    queueMax: count(0, 100_000).prefault(1_000).describe('Calls that wait for their turn; beyond, they are refused.'),
    connectionsMax: count(1, 100_000).optional().describe('Connections for calls. Default: concurrencyMax.'),
  })
  .transform(
    ({ concurrencyMax, queueMax, connectionsMax }): UpstreamLimits => ({
      ...{ concurrencyMax, queueMax },
      connectionsMax: connectionsMax ?? concurrencyMax,
    }),
  );

import * as z from 'zod';
import { type Micros, parseMicros } from '../domain/money.ts';
import type { ChargeTerms, Lease, ReportedPrice } from '../domain/policy.ts';
import { readCount, readMilliseconds } from './amounts.ts';
import type { Reading } from './problems.ts';
import { checked, meaning } from './reading.ts';

/** The price of a call as a rule has it: what is held, and whether the upstream reports what it cost. */
export interface PriceTerms {
  price: Micros;
  reported?: ReportedPrice;
}

const fault = { message: 'must be a decimal number with at most six places, from 0 to 1000000000', hint: 'such as "0.002"' };

const fixed = meaning(z.string(), (text): Reading<PriceTerms> => {
  const price = parseMicros(text);
  return price === undefined ? fault : { value: { price } };
});

const most = meaning(z.string(), (text): Reading<Micros> => {
  const micros = parseMicros(text);
  if (micros === 0) return { message: 'must be more than 0: it is what is held for a call', hint: 'such as "0.10"' };
  return micros === undefined ? fault : { value: micros };
});

/** Names of `_meta` (MCP 2025-11-25, basic, "_meta"): labels and a slash, or none, and a name. */
const metaName = checked((text) => {
  const label = '[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
  const name = new RegExp(`^(?:${label}(?:\\.${label})*/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`);
  return text.length <= 256 && name.test(text)
    ? undefined
    : { message: "must be a name of a result's _meta", hint: 'such as example.com/cost' };
});

const portion = (about: string) => z.enum(['full', 'none']).default('full').describe(about);

const reported = z
  .strictObject({
    max: most.describe('The most that one call may cost, and what is held for it: a decimal string.'),
    reported: metaName.describe("The name in the result's _meta under which the upstream states the cost of the call."),
    missing: portion('What is charged where no cost can be read: all that was held, or nothing.'),
  })
  .transform(({ max, reported: name, missing }): PriceTerms => ({ price: max, reported: { name, missing } }));

export const priceSchema = z.union([fixed, reported]);

const endings = {
  error: portion('For an HTTP error or a JSON-RPC error.'),
  timeout: portion('For no answer within the time.'),
  lost: portion('For no answer at all: connection lost, client gone, hold expired.'),
};

/** Absent where everything is charged in full, as it is without the setting. */
function termsOf(written: ChargeTerms): ChargeTerms | undefined {
  const { error, toolError, timeout, lost } = written;
  return [error, toolError, timeout, lost].includes('none') ? { error, toolError, timeout, lost } : undefined;
}

/** Only a tool's result can say that it is an error. */
export const chargeSchema = z.strictObject(endings).transform((written) => termsOf({ ...written, toolError: 'full' }));

export const toolChargeSchema = z.strictObject({ ...endings, toolError: portion('For a result with isError.') }).transform(termsOf);

const leaseCallsMax = 10_000;
const leaseMsMax = 60_000;

function within(read: (written: number | string) => Reading<number>, { min, max, problem }: { min: number; max: number; problem: string }) {
  return meaning(z.union([z.int(), z.string()]), (written): Reading<number> => {
    const reading = read(written);
    return 'value' in reading && !(reading.value >= min && reading.value <= max) ? { message: problem } : reading;
  });
}

const leaseCalls = within(readCount, { min: 2, max: leaseCallsMax, problem: `must be from 2 to ${leaseCallsMax}` });
const leaseMs = within(readMilliseconds, { min: 100, max: leaseMsMax, problem: 'must be from 100 ms to 60 s' });

export const leaseSchema = z
  .strictObject({
    calls: leaseCalls.describe('How many calls a replica may take from the ledger at once.'),
    ms: leaseMs.describe('How long it may use them.'),
  })
  .transform(({ calls, ms }): Lease => ({ calls, ms }));

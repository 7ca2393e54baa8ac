import type { Reading } from './problems.ts';

const msOf: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const bytesOf: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** About a hundred years: far below 2^53 ms, far above any sensible setting. */
const durationMsMax = 36_500 * 86_400_000;

/** `90d`, `12h`, `15m`, `30s`, `250ms`, `2w` to milliseconds. Whole numbers only, above zero. */
export function readDuration(text: string): Reading<number> {
  const match = /^([1-9][0-9]{0,14})(ms|s|m|h|d|w)$/.exec(text);
  const ms = match ? Number(match[1]) * (msOf[match[2] ?? ''] ?? Number.NaN) : Number.NaN;
  if (ms <= durationMsMax) return { value: ms };
  return { message: 'must be a duration of at most 36500d', hint: 'a whole number and a unit: 30s, 15m, 12h, 90d' };
}

/** A number of milliseconds, or a duration with its unit. Digits in a string count as a number, because an interpolated value is always a string. */
export function readMilliseconds(written: number | string): Reading<number> {
  const number = wholeNumber(written);
  if (number !== undefined) return { value: number };
  const duration = readDuration(String(written));
  return 'value' in duration
    ? duration
    : { message: 'must be a whole number of milliseconds or a duration', hint: 'such as 60000, 60s or 2m' };
}

/** A number of bytes, or `64KiB`, `4MiB`, `1GiB`. */
export function readBytes(written: number | string): Reading<number> {
  const number = wholeNumber(written);
  if (number !== undefined) return { value: number };
  const match = /^([1-9][0-9]{0,9})(B|KiB|MiB|GiB)$/.exec(String(written));
  const bytes = match ? Number(match[1]) * (bytesOf[match[2] ?? ''] ?? Number.NaN) : Number.NaN;
  if (Number.isSafeInteger(bytes)) return { value: bytes };
  return { message: 'must be a whole number of bytes or a size', hint: 'such as 65536, 64KiB or 4MiB' };
}

export function readCount(written: number | string): Reading<number> {
  const number = wholeNumber(written);
  return number === undefined ? { message: 'must be a whole number' } : { value: number };
}

function wholeNumber(written: number | string): number | undefined {
  if (typeof written === 'number') return Number.isSafeInteger(written) ? written : undefined;
  return /^(?:0|[1-9][0-9]{0,14})$/.test(written) ? Number(written) : undefined;
}

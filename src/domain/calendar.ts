import { Temporal } from 'temporal-polyfill';
import type { Per } from './key.ts';

/** Milliseconds since the Unix epoch: `start` belongs to the window, `end` to the next one. `end` is undefined where it never ends. */
export interface CalendarWindow {
  readonly start: number;
  readonly end: number | undefined;
}

export interface Calendar {
  /**
   * The calendar window that holds `now`. Windows of one kind and zone follow each other without gap or overlap.
   * @param zone IANA time zone @param now milliseconds since the Unix epoch
   * @throws RangeError for a zone that `zoneProblem` reports
   */
  window(per: Per, zone: string, now: number): CalendarWindow;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;
const entriesMax = 4_096;
const forever: CalendarWindow = { start: 0, end: undefined };

/**
 * A calendar that remembers the window it gave last for each kind and zone, so that most answers cost a look-up and two comparisons.
 * A time before the remembered window (a clock set back) is worked out anew.
 */
export function createCalendar(): Calendar {
  const windows = new Map<string, { start: number; end: number }>();
  return {
    window(per, zone, now) {
      if (per === 'total') return forever;
      const name = `${per} ${zone}`;
      const last = windows.get(name);
      if (last !== undefined && now >= last.start && now < last.end) return last;
      const current = findWindow(per, zone, Math.floor(now));
      if (windows.size >= entriesMax) windows.clear();
      windows.set(name, current);
      return current;
    },
  };
}

/** Why a text is no IANA time zone that this runtime knows; undefined when it is one. Names are compared exactly, so that one zone has one name. */
export function zoneProblem(zone: string): string | undefined {
  const problem = 'must be an IANA time zone such as Europe/Berlin or UTC';
  // Temporal also takes offsets and whole date texts as zones; those follow no calendar with daylight-saving time.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) return problem;
  try {
    const known = zoned(0, zone).timeZoneId;
    return known === zone ? undefined : `must be written ${known}`;
  } catch {
    return problem;
  }
}

/** What a clock on the wall shows in a zone: minutes since midnight, 0 to 1439, and the day of the week, 1 (Monday) to 7. @throws RangeError as `window` does */
export function wallClock(zone: string, at: number): { readonly minute: number; readonly day: number } {
  const { hour, minute, dayOfWeek } = zoned(Math.floor(at), zone);
  return { minute: hour * 60 + minute, day: dayOfWeek };
}

function findWindow(per: Exclude<Per, 'total'>, zone: string, now: number): { start: number; end: number } {
  if (per === 'hour') return hourWindow(zone, now);
  // Every zone in use today is whole minutes from UTC.
  if (per === 'minute') return { start: floorTo(now, minuteMs), end: floorTo(now, minuteMs) + minuteMs };
  return dateWindow(per, zone, now);
}

/**
 * An hour of the local clock. Where the clock is set forward or back the hour ends, so that the two hours of a fold are two windows, also
 * where the clock changes by half an hour (Lord Howe).
 */
function hourWindow(zone: string, now: number): { start: number; end: number } {
  const offset = offsetMs(zone, now);
  let start = floorTo(now + offset, hourMs) - offset;
  let end = start + hourMs;
  if (offsetMs(zone, start) !== offset) start = firstWith(offset, zone, start, now);
  if (offsetMs(zone, end - 1) !== offset) end = firstWithout(offset, zone, now, end - 1);
  return { start, end };
}

/** The first instant of (before, at] with this offset, given that `at` has it and `before` has not. */
function firstWith(offset: number, zone: string, before: number, at: number): number {
  let low = before;
  let high = at;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(zone, middle) === offset) high = middle;
    else low = middle;
  }
  return high;
}

/** The first instant of (at, after] without this offset, given that `at` has it and `after` has not. */
function firstWithout(offset: number, zone: string, at: number, after: number): number {
  let low = at;
  let high = after;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(zone, middle) === offset) low = middle;
    else high = middle;
  }
  return high;
}

/** A day, week or month from the first instant of its first date to the first instant of the next one's. */
function dateWindow(per: 'day' | 'week' | 'month', zone: string, now: number): { start: number; end: number } {
  const today = zoned(now, zone).toPlainDate();
  let first = today;
  if (per === 'week') first = today.subtract({ days: today.dayOfWeek - 1 });
  if (per === 'month') first = today.with({ day: 1 });
  const step = { [`${per}s`]: 1 };
  let next = first.add(step);
  let end = startOf(next, zone);
  // Where a clock goes back over midnight (St. John's until 2011) the old date comes a second time, when the new one has begun already;
  // where a date was left out (Apia, 2011-12-30) it begins and ends at once.
  while (end <= now) {
    first = next;
    next = first.add(step);
    end = startOf(next, zone);
  }
  return { start: startOf(first, zone), end };
}

function startOf(date: Temporal.PlainDate, zone: string): number {
  return date.toZonedDateTime(zone).epochMilliseconds;
}

function offsetMs(zone: string, at: number): number {
  return zoned(at, zone).offsetNanoseconds / 1_000_000;
}

function zoned(at: number, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
}

function floorTo(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

/**
 * Tells times as ISO 8601 in UTC, as Date does. The last one is remembered: records of one millisecond have the same, and printing it costs as much
 * as the hash of a record.
 * @returns a function of milliseconds since the epoch; it throws RangeError for what is no time
 */
export function createTimeTexts(): (time: number) => string {
  let last: { readonly time: number; readonly text: string } | undefined;
  return (time) => {
    if (last?.time === time) return last.text;
    last = { time, text: new Date(time).toISOString() };
    return last.text;
  };
}

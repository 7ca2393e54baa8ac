/** One system call of a trace, returned. Times are seconds since the epoch. */
export interface SystemCall {
  readonly name: string;
  /** The call as strace writes it, with its arguments. */
  readonly text: string;
  readonly beganAt: number;
  readonly endedAt: number;
  /** Its return value; NaN where it is no number. */
  readonly result: number;
}

const line = /^(\d+)\s+(\d+\.\d+) (.*)$/;
const unfinished = /^(\w+\(.*) <unfinished \.\.\.>$/;
const resumed = /^<\.\.\. \w+ resumed>(.*)$/;
const returned = /^(\w+)\(.* = (-?\w+|\?)[^=]*<(\d+\.\d+)>$/;

/**
 * Reads what `strace -f -ttt -T -o FILE` wrote, joining calls that were split in two because another thread ran meanwhile. Calls that never
 * returned are left out.
 */
export function readTrace(text: string): SystemCall[] {
  const open = new Map<string, { text: string; beganAt: number }>();
  const calls: SystemCall[] = [];
  const keep = (call: { text: string; beganAt: number }) => {
    const [, name, result, seconds] = returned.exec(call.text) ?? [];
    if (name !== undefined) calls.push({ ...call, name, endedAt: call.beganAt + Number(seconds), result: Number(result) });
  };
  for (const each of text.split('\n')) {
    const [, thread = '', time = '', rest = ''] = line.exec(each) ?? [];
    const begun = unfinished.exec(rest)?.[1];
    const end = resumed.exec(rest)?.[1];
    if (begun !== undefined) open.set(thread, { text: begun, beganAt: Number(time) });
    else if (end === undefined) keep({ text: rest, beganAt: Number(time) });
    else {
      const call = open.get(thread);
      if (call) keep({ ...call, text: call.text + end });
      open.delete(thread);
    }
  }
  return calls.sort((one, other) => one.beganAt - other.beganAt);
}

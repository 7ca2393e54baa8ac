import { getHeapSpaceStatistics } from 'node:v8';
import { TurnoverMap } from '../../src/domain/turnover-map.ts';

/**
 * How many of 1,000 things that came and went, never more than 32 at a time, two young collections leave in memory: in a map of the kind that the
 * first argument names, `Map` or `TurnoverMap`. To be run with --expose-gc.
 */
interface Kept {
  set(key: object, value: object): unknown;
  delete(key: object): boolean;
}

const map: Kept = process.argv[2] === 'Map' ? new Map() : new TurnoverMap();
const collect = (globalThis as { gc?: (options?: { type: 'minor' }) => void }).gc;
const running: object[] = [];
const thingBytes = 8_000;

function comeAndGo(times: number): void {
  for (let count = 0; count < times; count += 1) {
    const thing = { ballast: new Array(thingBytes / 8).fill(count + 0.5) };
    map.set(thing, thing);
    running.push(thing);
    const gone = running.length > 32 ? running.shift() : undefined;
    if (gone) map.delete(gone);
  }
}

function usedBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name: name }) => name === 'old_space' || name === 'new_space');
  return spaces.reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);
}

comeAndGo(200);
collect?.();
collect?.();
const before = usedBytes();
comeAndGo(1_000);
collect?.({ type: 'minor' });
collect?.({ type: 'minor' });
console.log(JSON.stringify({ survivors: Math.round((usedBytes() - before) / thingBytes), collected: collect !== undefined }));

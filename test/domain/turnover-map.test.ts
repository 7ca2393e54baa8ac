import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TurnoverMap } from '../../src/domain/turnover-map.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../support/survivors.ts', import.meta.url));

async function survivorsIn(kind: 'Map' | 'TurnoverMap'): Promise<number> {
  const { stdout } = await run(process.execPath, ['--expose-gc', program, kind], { timeout: 20_000 });
  const { survivors, collected } = JSON.parse(stdout) as { survivors: number; collected: boolean };
  expect(collected).toBe(true);
  return survivors;
}

describe('a turnover map', () => {
  it('holds what a Map holds, in its order, whatever comes and goes', () => {
    const act = fc.record({ kind: fc.constantFrom('set', 'set', 'delete', 'clear'), key: fc.nat(60), value: fc.nat() });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 400 }), (acts) => {
        const [ours, map] = [new TurnoverMap<number, number>(), new Map<number, number>()];
        for (const { kind, key, value } of acts) {
          if (kind === 'set') {
            ours.set(key, value);
            map.set(key, value);
          } else if (kind === 'delete') expect(ours.delete(key)).toBe(map.delete(key));
          // Seldom, so that it fills.
          else if (key === 0) {
            ours.clear();
            map.clear();
          }
          expect(ours.size).toBe(map.size);
          expect([ours.get(key), ours.has(key)]).toEqual([map.get(key), map.has(key)]);
        }
        expect(ours.values()).toEqual([...map.values()]);
      }),
      { seed: 20261130 },
    );
  });

  it('gives a snapshot to whoever goes through it', () => {
    const map = new TurnoverMap<number, number>();
    for (let key = 0; key < 5; key += 1) map.set(key, key);
    const seen: number[] = [];
    for (const key of map.values()) {
      map.delete(key);
      map.set(key + 100, 0);
      seen.push(key);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(map.size).toBe(5);
  });

  it('keeps nothing of what has gone, where a Map keeps all of it', { timeout: 60_000 }, async () => {
    expect(await survivorsIn('TurnoverMap')).toBeLessThan(150);
    // The reason why there is such a map. Once V8 no longer does this, a Map is as good.
    expect(await survivorsIn('Map')).toBeGreaterThan(900);
  });
});

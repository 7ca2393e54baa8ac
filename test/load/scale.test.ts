import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { Measurement } from '../../load/scale.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../load/scale.ts', import.meta.url));

it('two gateways for a second and a half: every call is accounted for, and every figure is one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-scale-'));
  try {
    const out = join(folder, 'scale.json');
    const { stdout } = await run(process.execPath, [program, '--smoke', '--out', out], { timeout: 55_000 });
    expect(stdout).toMatch(/^correct: upstream, journal and ledger agree on \d+ calls/);
    const { wrong, calls, points, sealing } = JSON.parse(await readFile(out, 'utf8')) as Measurement;
    expect(wrong).toEqual([]);
    expect(calls).toBeGreaterThan(200);
    expect(points.map(({ gateways, leased }) => [gateways, leased])).toEqual([
      [1, true],
      [2, false],
    ]);
    for (const point of points) {
      for (const name of ['perSecond', 'p50', 'p99', 'gatewayMain', 'redisMain', 'scripts', 'bytesIn', 'recorded'] as const) {
        expect(point[name], name).toBeGreaterThan(0);
      }
      // An intent and an outcome each, but for those that were on their way when the time began and ended.
      expect(Math.abs(point.recorded - 2 * point.calls)).toBeLessThan(0.5 * point.calls + 100);
    }
    expect(sealing.bytesPerRecord).toBeGreaterThan(100);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const flag = new URL('../../src/count-buffers-with-heap.ts', import.meta.url).href;

/** Counts the full collections of a process that keeps some 40 MB and makes buffers of 100 KB that nobody keeps, as long requests do. */
const program = `
  import { constants, PerformanceObserver } from 'node:perf_hooks';
  import { setImmediate } from 'node:timers/promises';
  let full = 0;
  const { NODE_PERFORMANCE_GC_MAJOR: major } = constants;
  new PerformanceObserver((list) => {
    full += list.getEntries().filter(({ detail }) => detail.kind === major).length;
  }).observe({ entryTypes: ['gc'] });
  const kept = Array.from({ length: 400_000 }, (_, at) => ({ at, text: String(at) }));
  for (let turn = 0; turn < 400; turn += 1) {
    for (let nth = 0; nth < 25; nth += 1) Buffer.alloc(100_000);
    await setImmediate();
  }
  console.log(full, kept.length);
`;

async function fullCollections(before: string): Promise<number> {
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', before + program], { timeout: 60_000 });
  // A version of Node that does not know the flag says so.
  expect(stderr).toBe('');
  return Number.parseInt(stdout, 10);
}

test('buffers that nobody keeps do not have everything collected again and again', async () => {
  const counted = await fullCollections(`import { countBuffersWithHeap } from '${flag}'; countBuffersWithHeap();`);
  const otherwise = await fullCollections('');
  expect(counted).toBeLessThan(otherwise / 2);
}, 120_000);

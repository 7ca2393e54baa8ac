import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Budget, type Budgets, guardProblem, judge, misses, readBudgets } from '../../load/budget.ts';
import type { CostResult } from '../../load/cost-result.ts';

const program = fileURLToPath(new URL('../../load/cost.ts', import.meta.url));
const published = fileURLToPath(new URL('../../load/results/cost.json', import.meta.url));

const guard = { measurement: 'cpu.lmdb/relay', recorded: 3, timesMax: 2 };
const spread = (median: number) => ({ median, min: median, max: median });
const budgetsOf = (...budgets: Budget[]): Budgets => ({ budgets, guard });
const dear: Budget = { measurement: 'cpu', max: 1.7, means: 'not dear' };
const quick: Budget = { measurement: 'calls', min: 1.7, means: 'quick', where: 'there are cores' };

describe('a budget', () => {
  it.each([
    [1.7, 'kept'],
    [1.71, 'missed'],
    [Number.NaN, 'missed'],
  ])('of at most 1.7 that measures %d is %s', (median, verdict) => {
    expect(judge(budgetsOf(dear), { measurements: { cpu: spread(median) }, absent: {} })[0]?.verdict).toBe(verdict);
  });

  it.each([
    [1.7, 'kept'],
    [1.69, 'missed'],
  ])('of at least 1.7 that measures %d is %s', (median, verdict) => {
    expect(judge(budgetsOf(quick), { measurements: { calls: spread(median) }, absent: {} })[0]?.verdict).toBe(verdict);
  });

  it('that measures no number is missed too when the result was written and read again', () => {
    const found = JSON.parse(JSON.stringify({ measurements: { cpu: spread(Number.NaN) }, absent: {} }));
    expect(judge(budgetsOf(dear), found)[0]?.verdict).toBe('missed');
  });

  it('that was not measured fails a check, unless it holds only somewhere and there is a reason', () => {
    const failing = (budget: Budget, absent: Record<string, string>) =>
      misses(judge(budgetsOf(budget), { measurements: {}, absent }), absent).map(({ verdict }) => verdict);
    expect(failing(dear, {})).toEqual(['not measured']);
    expect(failing(dear, { cpu: 'there was no time' })).toEqual(['not measured']);
    expect(failing(quick, {})).toEqual(['not measured']);
    expect(failing(quick, { calls: 'two cores' })).toEqual([]);
  });
});

describe('the guard', () => {
  it.each([
    [6, undefined],
    [6.01, /6\.01: more than 2 times the 3/],
    [Number.NaN, /NaN/],
  ])('at %d says %s', (median, problem) => {
    const said = guardProblem(budgetsOf(), { 'cpu.lmdb/relay': spread(median) });
    if (problem === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(problem);
  });

  it('fails where nothing was measured', () => {
    expect(guardProblem(budgetsOf(), {})).toMatch(/NaN/);
  });
});

describe('load/budget.json', () => {
  it('has one bound for each measurement, and each once', async () => {
    const { budgets } = await readBudgets();
    expect(budgets.length).toBeGreaterThan(10);
    expect(budgets.filter(({ max, min }) => (max === undefined) === (min === undefined))).toEqual([]);
    expect(new Set(budgets.map(({ measurement }) => measurement)).size).toBe(budgets.length);
  });

  it('names measurements that the published run made, or says why it did not', async () => {
    const { budgets, guard: published_ } = await readBudgets();
    const { measurements, absent, wrong } = JSON.parse(await readFile(published, 'utf8')) as CostResult;
    const made = new Set([...Object.keys(measurements), ...Object.keys(absent)]);
    expect([...budgets, published_].map(({ measurement }) => measurement).filter((name) => !made.has(name))).toEqual([]);
    expect(wrong).toEqual([]);
  });
});

describe('npm run load -- --check', () => {
  const check = async (change: (result: CostResult) => unknown): Promise<{ code: number; stdout: string }> => {
    const folder = await mkdtemp(join(tmpdir(), 'keygate-cost-'));
    try {
      const file = join(folder, 'cost.json');
      const result = JSON.parse(await readFile(published, 'utf8')) as CostResult;
      await writeFile(file, JSON.stringify(change(result)));
      return await new Promise((resolve) => {
        execFile(process.execPath, [program, '--check', '--from', file], (failure, stdout) => {
          resolve({ code: failure === null ? 0 : Number(failure.code), stdout });
        });
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const kept = async (result: CostResult): Promise<CostResult> => {
    const { budgets } = await readBudgets();
    const measurements = Object.fromEntries(budgets.map(({ measurement, max, min }) => [measurement, spread(max ?? min ?? Number.NaN)]));
    return { ...result, measurements };
  };

  it('exits with 0 where every budget is kept, with 1 and the list where one is missed', async () => {
    const whole = await kept(JSON.parse(await readFile(published, 'utf8')) as CostResult);
    const good = await check(() => whole);
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('every budget is kept') });
    const bad = await check(() => ({ ...whole, measurements: { ...whole.measurements, 'cpu.lmdb/relay': spread(9.5) } }));
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain('cpu.lmdb/relay: missed, 9.5 and not 1.7');
    expect(bad.stdout).not.toContain('cpu.redis/relay: missed');
  });

  it('exits with 1 where an answer was wrong, whatever the budgets say', async () => {
    const whole = await kept(JSON.parse(await readFile(published, 'utf8')) as CostResult);
    expect((await check(() => ({ ...whole, wrong: ['an answer was wrong'] }))).code).toBe(1);
  });
});

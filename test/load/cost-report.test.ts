import { expect, it } from 'vitest';
import { plotOf } from '../../load/cost-plot.ts';
import { reportOf } from '../../load/cost-report.ts';
import type { CostResult } from '../../load/cost-result.ts';

const one = (median: number) => ({ median, min: median - 0.5, max: median + 0.5 });
const result: CostResult = {
  ...{ command: 'npm run load', date: '2026-11-30T00:00:00.000Z', rounds: 3, seconds: 2, wrong: [], absent: { calls: 'two cores' } },
  machine: { cores: 2, model: 'a model', kernel: '6.1', node: 'v24', loadBefore: 1.5 },
  tables: [
    {
      ...{ name: 'saturation', title: 'At saturation' },
      rows: [
        { name: 'direct', title: 'no relay <at all>', figures: { callsPerSecond: one(14_000) } },
        { name: 'relay', title: 'bare relay', cpuRatio: one(1), figures: { callsPerSecond: one(9_000), cpuPerCall: one(37) } },
        { name: 'lmdb', title: 'keygate on LMDB', cpuRatio: one(3.25), figures: { callsPerSecond: one(3_000), cpuPerCall: one(120) } },
      ],
    },
    {
      ...{ name: 'rate-500', title: 'At 500 calls a second' },
      rows: [{ name: 'lmdb', title: 'keygate on LMDB', figures: { p50: one(0.9) } }],
    },
  ],
  measurements: { cpu: one(3.25), more: one(7) },
  judged: [
    { measurement: 'cpu', max: 1.7, means: 'not dear', verdict: 'missed', median: 3.25 },
    { measurement: 'calls', min: 1.7, means: 'quick', verdict: 'not measured', why: 'two cores' },
  ],
};

it('a report shows ratios before absolute figures, misses as missed, and why something was not measured', () => {
  const report = reportOf(result);
  expect(report).toContain('| `cpu` | <= 1.7 | 3.25 | 2.75 to 3.75 | **missed** | not dear |');
  expect(report).toContain('| `calls` | >= 1.7 | - | two cores | not measured | quick |');
  expect(report).toContain('|  | CPU as multiple of the relay | calls/s | CPU µs a call |');
  expect(report).toContain('| keygate on LMDB | 3.25 (2.75 to 3.75) | 3000 | 120 |');
  expect(report).toContain('| `more` | 7 | 6.5 | 7.5 |');
  expect(report).toContain("the machine's load average was 1.5");
});

it('a report of a run in which something was wrong says so first', () => {
  const report = reportOf({ ...result, wrong: ['3 answers were wrong'] });
  expect(report).toContain('**Wrong, so none of this counts:** 3 answers were wrong');
  expect(report).not.toContain('Every answer');
  expect(report.indexOf('3 answers were wrong')).toBeLessThan(report.indexOf('## Budgets'));
});

it('a plot has a bar for each way, as long as its median, and closes what it opens', () => {
  const plot = plotOf(result);
  const bars = [...plot.matchAll(/<rect x="330" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  expect(bars).toHaveLength(3);
  expect((bars[1] ?? 0) / (bars[0] ?? 0)).toBeCloseTo(3.25, 2);
  expect(plot.match(/<text[ >]/g)?.length).toBe(plot.match(/<\/text>/g)?.length);
  expect(plot).not.toContain('<at all>');
  expect(plot.trimEnd().endsWith('</svg>')).toBe(true);
});

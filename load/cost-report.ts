import type { Judged } from './budget.ts';
import type { CostResult } from './cost-result.ts';
import type { FigureName, Row, Table } from './cost-terms.ts';
import type { Spread } from './spread.ts';

const headings: Readonly<Record<FigureName, string>> = {
  callsPerSecond: 'calls/s',
  cpuPerCall: 'CPU µs a call',
  storeCpuPerCall: 'Redis µs a call',
  p50: 'p50 ms',
  p99: 'p99 ms',
  p999: 'p99.9 ms',
  loopDelayMs: 'loop p99 ms',
  residentMiB: 'memory MiB',
};
const figureNames = Object.keys(headings) as FigureName[];

/** The whole run as Markdown. Ratios come first: the absolute figures say as much about the machine. */
export function reportOf(result: CostResult): string {
  const { machine, command, date, rounds, seconds, judged, tables, wrong } = result;
  const correct =
    wrong.length === 0
      ? 'Every answer of every call was the expected one, to the byte; ledger, journal and upstream agree on all calls; every journal verifies.'
      : `**Wrong, so none of this counts:** ${wrong.join('; ')}`;
  return `${[
    '# What keygate costs, measured',
    `\`${command}\` on ${date.slice(0, 10)}: ${machine.cores} cores (${machine.model}), Linux ${machine.kernel}, Node ${machine.node}. ` +
      `Load, upstream, stores and all ways between share these cores; the machine's load average was ${machine.loadBefore} when the run began. ` +
      `Medians of ${rounds} rounds of ${seconds} s, with the least and the most; the ways are measured in turn in each round.`,
    correct,
    '![Processor time a call](cost.svg)',
    '## Budgets',
    'Each is a ratio within this run, judged by its median ([load/budget.json](../budget.json)).',
    budgetTable(judged, result),
    ...tables.flatMap((table) => [`## ${table.title}`, markdown(cellsOf(table))]),
    '## Everything else that was measured',
    markdown([['measurement', 'median', 'least', 'most'], ...rest(result)]),
  ].join('\n\n')}\n`;
}

/** For the terminal: the tables, then the budgets. */
export function tell(result: CostResult): void {
  for (const table of result.tables) console.log(`\n${table.title}\n\n${aligned(cellsOf(table))}`);
  console.log('\nBudgets (medians)\n');
  for (const one of result.judged)
    console.log(`${one.verdict.padEnd(14)}${limitOf(one).padEnd(12)}${told(one).padEnd(12)}${one.measurement}`);
  for (const each of result.wrong) console.log(`WRONG: ${each}`);
}

function cellsOf({ rows }: Table): string[][] {
  const used = figureNames.filter((name) => rows.some(({ figures }) => figures[name] !== undefined));
  const ratios = rows.some(({ cpuRatio }) => cpuRatio !== undefined);
  const line = ({ title, cpuRatio, figures }: Row): string[] => [
    title,
    ...(ratios ? [cpuRatio === undefined ? '' : shown(cpuRatio)] : []),
    ...used.map((name) => (figures[name] === undefined ? '' : short(figures[name].median))),
  ];
  return [['', ...(ratios ? ['CPU as multiple of the relay'] : []), ...used.map((name) => headings[name])], ...rows.map(line)];
}

function budgetTable(judged: readonly Judged[], { measurements }: CostResult): string {
  const line = (one: Judged) => {
    const { min, max } = measurements[one.measurement] ?? {};
    const between = min === undefined || max === undefined ? (one.why ?? '') : `${short(min)} to ${short(max)}`;
    return [`\`${one.measurement}\``, limitOf(one), told(one), between, one.verdict === 'missed' ? '**missed**' : one.verdict, one.means];
  };
  return markdown([['measurement', 'budget', 'measured', 'least to most', '', 'what it means'], ...judged.map(line)]);
}

function rest({ measurements, judged }: CostResult): string[][] {
  const budgeted = new Set(judged.map(({ measurement }) => measurement));
  return Object.entries(measurements)
    .filter(([name]) => !budgeted.has(name))
    .map(([name, { median, min, max }]) => [`\`${name}\``, ...[median, min, max].map(short)]);
}

function limitOf({ max, min }: Judged): string {
  return max === undefined ? `>= ${min}` : `<= ${max}`;
}

function told({ median }: Judged): string {
  return median === undefined ? '-' : short(median);
}

function shown({ median, min, max }: Spread): string {
  return `${short(median)} (${short(min)} to ${short(max)})`;
}

function short(value: number): string {
  return value >= 100 || value <= -100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function markdown([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function aligned(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.map((row) => row.map((cell, at) => cell.padEnd((widths[at] ?? 0) + 2)).join('')).join('\n');
}

import type { CostResult } from './cost-result.ts';
import type { Row } from './cost-terms.ts';
import type { Spread } from './spread.ts';

interface Bar {
  readonly title: string;
  readonly spread: Spread;
}

const width = 860;
const labelWidth = 330;
const barHeight = 18;
const rowHeight = 26;
const headHeight = 46;
const rightMargin = 60;

/** Two bar charts: processor time a call at saturation, and the median at 500 calls a second. Thin lines are the least and the most of the rounds. */
export function plotOf({ tables }: Pick<CostResult, 'tables'>): string {
  const rowsIn = (name: string) => tables.find((table) => table.name === name)?.rows ?? [];
  const barsOf = (rows: readonly Row[], of: (row: Row) => Spread | undefined): Bar[] =>
    rows.flatMap((row) => {
      const spread = of(row);
      return spread === undefined ? [] : [{ title: row.title, spread }];
    });
  const cost = barsOf(rowsIn('saturation'), ({ cpuRatio }) => cpuRatio);
  const latency = barsOf(rowsIn('rate-500'), ({ figures }) => figures.p50);
  const first = chart({ heading: 'Processor time a call at saturation, as a multiple of the bare relay', bars: cost, top: 0 });
  const second = chart({ heading: 'Median latency at 500 calls a second, in milliseconds', bars: latency, top: first.height });
  const height = first.height + second.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">
<title>What a call through keygate costs, beside a bare relay and nginx</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${first.text}
${second.text}
</svg>
`;
}

function chart({ heading, bars, top }: { heading: string; bars: readonly Bar[]; top: number }): { text: string; height: number } {
  if (bars.length === 0) return { text: '', height: 0 };
  const longest = Math.max(...bars.map(({ spread }) => spread.max));
  const scale = (value: number) => Number(((value / longest) * (width - labelWidth - rightMargin)).toFixed(1));
  const lines = bars.map(({ title, spread }, at) => {
    const y = top + headHeight + at * rowHeight;
    const middle = y + barHeight / 2;
    const [median, min, max] = [spread.median, spread.min, spread.max].map((value) => labelWidth + scale(value));
    const fill = title.startsWith('keygate') ? '#2563eb' : '#94a3b8';
    return [
      `<text x="${labelWidth - 8}" y="${middle + 4}" text-anchor="end">${escaped(title)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${scale(spread.median)}" height="${barHeight}" fill="${fill}"/>`,
      `<path d="M${min} ${middle}H${max}" stroke="#0f172a"/>`,
      `<text x="${Math.max(median ?? 0, max ?? 0) + 6}" y="${middle + 4}">${Number(spread.median.toPrecision(3))}</text>`,
    ].join('\n');
  });
  const text = [`<text x="12" y="${top + 28}" font-size="15" font-weight="bold">${escaped(heading)}</text>`, ...lines].join('\n');
  return { text, height: headHeight + bars.length * rowHeight + 10 };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

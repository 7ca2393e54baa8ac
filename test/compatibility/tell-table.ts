import { type Cell, operations, type Pair } from './judge-pair.ts';
import type { Judged } from './run-matrix.ts';

/** The matrix as Markdown: upstreams down, clients across; reasons are numbered below. */
export function tellTable(all: readonly Judged[]): string {
  const clients = [...new Set(all.map(({ client }) => client.name))];
  const upstreams = [...new Set(all.map(({ upstream }) => upstream.name))];
  const reasons: string[] = [];
  const rows = upstreams.map((name) => {
    const cells = clients.map((client) => {
      const found = all.find((one) => one.client.name === client && one.upstream.name === name);
      return found === undefined ? '' : tellPair(found.pair, reasons);
    });
    return `| ${name} | ${cells.join(' | ')} |`;
  });
  const head = [`| | ${clients.join(' | ')} |`, `|---|${clients.map(() => '---|').join('')}`];
  const notes = reasons.map((reason, at) => `${at + 1}. ${reason}`);
  return [...head, ...rows, '', ...notes].join('\n');
}

/** How many of each status there are. */
export function tellCounts(all: readonly Judged[]): string {
  const cells = all.flatMap(({ pair }) => operations.map((operation) => pair[operation].status));
  const of = (status: Cell['status']) => cells.filter((one) => one === status).length;
  return `${cells.length} cells: ${of('ok')} ok, ${of('n/a')} not applicable, ${of('failed')} failed`;
}

/** `ok`, or what is not, each with the number of its reason: `ok but stream (1), cancel (2)`. One word where all six share it. */
function tellPair(pair: Pair, reasons: string[]): string {
  const first = pair.connect;
  if (first.status !== 'ok' && operations.every((operation) => pair[operation] === first))
    return `${word(first)} ${number(first, reasons)}`;
  const rest = operations.flatMap((operation) => {
    const cell = pair[operation];
    return cell.status === 'ok' ? [] : [`${operation} ${word(cell)} ${number(cell, reasons)}`];
  });
  return rest.length === 0 ? 'ok' : `ok; ${rest.join(', ')}`;
}

function word({ status }: Cell): string {
  return status === 'failed' ? '**failed**' : status;
}

function number(cell: Cell, reasons: string[]): string {
  if (cell.status === 'ok') return '';
  if (!reasons.includes(cell.why)) reasons.push(cell.why);
  return `(${reasons.indexOf(cell.why) + 1})`;
}

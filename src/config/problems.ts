import { isAbsolute, relative } from 'node:path';

/** Something wrong, or worth a warning, in a configuration. The text never shows a value from the file: any value may be a secret (I5). */
export interface Problem {
  /** Where, as written: `upstreams.wiki.tools[0].price`; empty for the file as a whole. */
  path: string;
  /** Both count from one; absent where the place is not in the file (a default, an unreadable file). */
  line?: number;
  column?: number;
  message: string;
  /** What to do about it. */
  hint?: string;
}

/** A problem before its offset (UTF-16 units from the start of the text) has been turned into line and column. */
export interface Finding {
  path: string;
  offset?: number;
  message: string;
  hint?: string;
  /** Something that ought to be there is not; after a syntax error that says little. */
  absent?: true;
}

/** The outcome of reading one value: what it means, or why it means nothing. */
export type Reading<T> = { value: T } | { message: string; hint?: string };

/** One line of text: `config/keygate.yaml:12:5 upstreams.wiki.url: must be a string (hint: …)`. The file is shown relative to `cwd` where that is given and shorter. */
export function formatProblem(file: string, problem: Problem, cwd?: string): string {
  const near = cwd === undefined || !isAbsolute(file) ? file : relative(cwd, file);
  const shown = near.startsWith('..') ? file : near;
  const place = problem.line === undefined ? shown : `${shown}:${problem.line}:${problem.column ?? 1}`;
  const subject = problem.path === '' ? '' : ` ${problem.path}`;
  const hint = problem.hint === undefined ? '' : ` (hint: ${problem.hint})`;
  return `${place}${subject}: ${problem.message}${hint}`;
}

/** `['upstreams', 'wiki', 'tools', 0]` to `upstreams.wiki.tools[0]`. Names that are not plain words are quoted, so that no control character reaches a terminal. */
export function pathText(segments: readonly PropertyKey[], start = ''): string {
  let text = start;
  for (const segment of segments) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else {
      const name = String(segment).slice(0, 80);
      if (!/^[A-Za-z0-9_$-]+$/.test(name)) text += `[${JSON.stringify(name)}]`;
      else text += text === '' ? name : `.${name}`;
    }
  }
  return text;
}

/** The candidate that a mistyped word most likely meant, or undefined when none is within two edits (one for words of up to three letters). */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = word.length <= 3 ? 2 : 3;
  for (const candidate of candidates) {
    const distance = editDistance(word.slice(0, 80).toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance (1966), with a swap of neighbours counted as one edit (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/** Lines of context around a change. */
const around = 2;
/** Beyond it the files are told apart as wholes: the table would grow with the product of both. */
const linesMax = 4_000;

/** What changes between two texts, line by line: " " stays, "-" goes, "+" comes. Empty where they are equal. */
export function lineDiff(before: string, after: string): string {
  if (before === after) return '';
  const [old, now] = [before.split('\n'), after.split('\n')];
  const steps = old.length > linesMax || now.length > linesMax ? [...old.map((l) => `-${l}`), ...now.map((l) => `+${l}`)] : walk(old, now);
  const changed = steps.flatMap((step, at) => (step.startsWith(' ') ? [] : [at]));
  const shown = new Set(changed.flatMap((at) => Array.from({ length: 2 * around + 1 }, (_, offset) => at + offset - around)));
  let gap = false;
  let out = '';
  for (const [at, step] of steps.entries()) {
    if (shown.has(at)) out += `${gap ? '  …\n' : ''}${step}\n`;
    gap = !shown.has(at);
  }
  return out;
}

/** The longest common subsequence of lines (Wagner and Fischer, 1974). */
function walk(old: readonly string[], now: readonly string[]): string[] {
  const width = now.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  const at = (row: number, column: number): number => common[row * width + column] ?? 0;
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = now.length - 1; column >= 0; column -= 1) {
      const same = old[row] === now[column];
      common[row * width + column] = same ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const steps: string[] = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < now.length) {
    if (row < old.length && column < now.length && old[row] === now[column]) {
      steps.push(` ${old[row]}`);
      row += 1;
      column += 1;
    } else if (column >= now.length || (row < old.length && at(row + 1, column) >= at(row, column + 1))) {
      steps.push(`-${old[row]}`);
      row += 1;
    } else {
      steps.push(`+${now[column]}`);
      column += 1;
    }
  }
  return steps;
}

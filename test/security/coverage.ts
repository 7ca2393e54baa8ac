import { amounts } from './amounts.ts';
import { attacks } from './attacks.ts';
import { linkTo, type Numbered, numberedTests } from './numbered-tests.ts';

export const coverageDocument = 'docs/security/coverage.md';

/** docs/security/coverage.md as it has to be. `npm run security -- --write` writes it. */
export function coverageText(): string {
  const tests = numberedTests();
  const rows = attacks.map(({ number, what, missing }) => row([number, what, shown(tests, number), missing ?? '']));
  return [
    ...introduction,
    '## Attacks',
    '',
    row(['number', 'attack or fault', 'tests', 'not in this build']),
    '|---|---|---|---|',
    ...rows,
    '',
    '## How many',
    '',
    'Where an attack is one by its number:',
    '',
    row(['number', 'in every run of the tests', 'beside']),
    '|---|---|---|',
    ...amounts.map(({ number, tests: always, more }) => row([number, always, more])),
    '',
  ].join('\n');
}

const introduction = [
  '# What withstands what',
  '',
  'Written by `npm run security -- --write` from the names of the tests; a test compares the two, so no line outlives its test. `npm run security` runs',
  'all of these, the [faults](faults.md), the simulation and the fuzzer, and prints this table with results.',
  '',
];

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`.replace(/ {2}\|/g, ' |');
}

/** Each file with the names in it. */
function shown(tests: readonly Numbered[], number: string): string {
  const found = tests.filter((test) => test.number === number);
  const files = [...new Set(found.map(({ file }) => file))];
  return files
    .map((file) => {
      const names = [...new Set(found.filter((test) => test.file === file).map(({ name }) => name))].filter((name) => name !== '');
      const label = file.replace(/^test\//, '').replace(/\.test\.ts$|\.ts$/, '');
      return `[${label}](${linkTo(file, coverageDocument)})${names.length === 0 ? '' : `: ${names.map(asCell).join('; ')}`}`;
    })
    .join('<br>');
}

/** Names are long and hold anything: cut, and nothing in them is read as markup. */
function asCell(name: string): string {
  const cut = name.length > 90 ? `${name.slice(0, 88).trimEnd()}…` : name;
  return cut.replace(/[\\`*_{}[\]<>|~$]/g, (character) => `\\${character}`);
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { denialTable } from '../../src/domain/denial.ts';
import { filesBelow, linked, read, root } from './source-tree.ts';

const documents = filesBelow('.', '.md');

/** The document without code, in which brackets and pipes are no links and no tables. */
function prose(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').replace(/`[^`\n]*`/g, '');
}

/** Anchors that headings get on GitHub: lower case, punctuation gone, spaces to hyphens. */
function anchors(text: string): Set<string> {
  const headings = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      (heading ?? '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

describe('links', () => {
  const links = documents.flatMap((document) =>
    [...prose(read(document)).matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s*(\S+)/gm)].map((match) => ({
      document,
      target: match[1] ?? match[2] ?? '',
    })),
  );
  const relative = links.filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target));

  test('there are some', () => {
    expect(relative.length).toBeGreaterThan(10);
  });

  test('every relative link has a file', () => {
    const dead = relative.filter(({ document, target }) => {
      const [path] = target.split('#');
      return path && !existsSync(join(root, linked(document, decodeURIComponent(path))));
    });
    expect(dead).toEqual([]);
  });

  test('every anchor has a heading', () => {
    const dead = relative.filter(({ document, target }) => {
      const [path, anchor] = target.split('#');
      if (!anchor) return false;
      const file = path ? linked(document, path) : document;
      return file.endsWith('.md') && existsSync(join(root, file)) && !anchors(read(file)).has(anchor);
    });
    expect(dead).toEqual([]);
  });
});

/** Cells of the rows whose first cell is one name in backticks. */
function rows(document: string): string[][] {
  return read(document)
    .split('\n')
    .filter((line) => /^\| `[\w.]+` \|/.test(line))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim()),
    );
}

describe('docs/refusals.md', () => {
  test('has the closed table, row by row', () => {
    const stated = rows('docs/refusals.md');
    const meant = Object.entries(denialTable).map(([reason, { status, code, advice, httpModeStatus }]) => [
      `\`${reason}\``,
      String(status),
      httpModeStatus === undefined ? '' : String(httpModeStatus),
      String(code),
      advice,
    ]);
    expect(stated).toEqual(meant);
  });
});

describe('docs/journal.md', () => {
  const source = read('src/domain/record.ts');

  test('has every kind of record, in order', () => {
    const union = /type RecordKind =([^;]+);/.exec(source)?.[1] ?? '';
    const kinds = [...union.matchAll(/'([^']+)'/g)].map(([, kind]) => kind);
    expect(kinds.length).toBeGreaterThan(5);
    expect(
      rows('docs/journal.md')
        .map(([kind]) => kind?.replaceAll('`', ''))
        .filter((name) => kinds.includes(name) || name?.includes('.')),
    ).toEqual(kinds);
  });

  test('explains every member of a record', () => {
    const facts = /interface RecordFacts \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
    const chained = /interface JournalRecord [^{]*\{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
    const members = [...`${facts}\n${chained}`.matchAll(/readonly (\w+)\??:/g)].map(([, member]) => member ?? '');
    expect(members.length).toBeGreaterThan(20);
    const text = read('docs/journal.md');
    expect(members.filter((member) => !text.includes(`\`${member}\``))).toEqual([]);
  });
});

describe('docs/configuration.md', () => {
  interface Schema {
    readonly default?: unknown;
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly additionalProperties?: Schema | boolean;
  }
  const schema: Schema = JSON.parse(read('config/schema.json'));
  const text = read('docs/configuration.md');
  const table = new Map(
    [...text.matchAll(/^\| (\w[\w., ]*?) \|([^|]*)\|/gm)].map(([, name, fallback]) => [name ?? '', (fallback ?? '').trim()]),
  );

  test('has every limit with its default', () => {
    const limits = Object.entries(schema.properties?.limits?.properties ?? {});
    expect(limits.length).toBeGreaterThan(10);
    expect(limits.map(([name]) => [name, table.get(name)])).toEqual(limits.map(([name, limit]) => [name, String(limit.default)]));
  });

  test('names every setting', () => {
    const sections = Object.entries(schema.properties ?? {}).filter(([name]) => name !== '$schema');
    const upstream = schema.properties?.upstreams?.additionalProperties;
    const names = sections.flatMap(([name, { properties }]) =>
      properties && name !== 'limits' ? Object.keys(properties).map((member) => `${name}.${member}`) : [name],
    );
    const members = typeof upstream === 'object' ? Object.keys(upstream.properties ?? {}) : [];
    expect(members.length).toBeGreaterThan(5);
    const documented = new Set([...table.keys()].flatMap((name) => name.split(', ')));
    expect([...names, ...members].filter((name) => !documented.has(name) && !text.includes(`\`${name}\``))).toEqual([]);
  });
});

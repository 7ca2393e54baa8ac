import { expect, test } from 'vitest';
import { type SourceFile, sources } from './source-tree.ts';

const src = sources('src');
const all = [...src, ...sources('test', 'load', 'examples')];

interface Exported {
  readonly name: string;
  readonly isType: boolean;
}

/** Names a file exports, by declaration or by list. */
function exportsOf({ code }: SourceFile): Exported[] {
  const found: Exported[] = [];
  const declaration = /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function\*?|const|class|type|interface)\s+([\w$]+)/gm;
  for (const [, kind, name] of code.matchAll(declaration)) {
    if (name) found.push({ name, isType: kind === 'type' || kind === 'interface' });
  }
  for (const [, isType, list] of code.matchAll(/^export\s+(type\s+)?\{([^}]*)\}/gm)) {
    for (const member of (list ?? '').split(',')) {
      const name = /([\w$]+)\s*$/.exec(member)?.[1];
      if (name) found.push({ name, isType: isType !== undefined || /^\s*type\s/.test(member) });
    }
  }
  return found;
}

/**
 * A type that another declaration of its own file mentions is part of that declaration's signature: whoever calls it
 * may have to name it. A value has no such excuse.
 */
function isInSignature({ code }: SourceFile, name: string): boolean {
  return [...code.matchAll(new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`, 'g'))].length > 1;
}

test('every exported name of src/ is imported somewhere', () => {
  const used = new Set<string>();
  const wholly = new Set<string>();
  for (const { imports } of all) {
    for (const { file, names } of imports) {
      if (!file) continue;
      if (!names) wholly.add(file);
      for (const name of names ?? []) used.add(`${file} ${name}`);
    }
  }
  const unused = src.flatMap((file) =>
    exportsOf(file)
      .filter(({ name, isType }) => !used.has(`${file.path} ${name}`) && !wholly.has(file.path) && !(isType && isInSignature(file, name)))
      .map(({ name }) => `${file.path} ${name}`),
  );
  expect(unused).toEqual([]);
});

test('exports are found', () => {
  const denial = src.find(({ path }) => path === 'src/domain/denial.ts');
  expect(denial && exportsOf(denial).map(({ name }) => name)).toEqual(['DenialForm', 'Reason', 'denialTable', 'DenialFacts', 'Denial']);
});

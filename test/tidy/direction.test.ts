import { isBuiltin } from 'node:module';
import { describe, expect, test } from 'vitest';
import { type SourceFile, sources } from './source-tree.ts';

/** Everything but adapters and the process. */
const inner = ['domain', 'ports', 'stages', 'gateway.ts', 'config', 'authority', 'edges'];

/**
 * What each part of src/ may import. ARCHITECTURE.md draws the same picture; a new folder, or a new file directly
 * in src/, has to be given its place here first.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  domain: ['domain'],
  ports: ['domain', 'ports'],
  stages: ['domain', 'ports', 'stages'],
  'gateway.ts': ['domain', 'ports', 'stages'],
  'passthrough.ts': ['domain', 'ports', 'stages'],
  config: ['domain', 'config'],
  authority: ['domain', 'ports', 'config', 'authority'],
  adapters: ['domain', 'ports', 'adapters'],
  edges: ['domain', 'ports', 'stages', 'gateway.ts', 'config', 'authority', 'edges'],
  'compose.ts': [
    'domain',
    'ports',
    'stages',
    'gateway.ts',
    'passthrough.ts',
    'config',
    'authority',
    'adapters',
    'edges',
    'compose-api.ts',
    'compose-pins.ts',
    'compose-store.ts',
    'compose-upstreams.ts',
    'compose-workers.ts',
    'live-settings.ts',
    'system-clock.ts',
  ],
  'compose-api.ts': ['ports', 'config', 'authority', 'adapters', 'edges', 'compose-store.ts', 'live-settings.ts'],
  'compose-upstreams.ts': ['domain', 'ports', 'adapters'],
  'compose-pins.ts': ['domain', 'ports', 'adapters', 'system-clock.ts'],
  'compose-store.ts': ['domain', 'ports', 'config', 'authority', 'adapters', 'edges', 'system-clock.ts'],
  'compose-workers.ts': ['ports', 'config', 'adapters', 'compose-store.ts', 'system-clock.ts'],
  'compose-dry-runs.ts': [
    'domain',
    'ports',
    'config',
    'authority',
    'adapters',
    'edges',
    'compose.ts',
    'compose-store.ts',
    'compose-upstreams.ts',
    'system-clock.ts',
  ],
  'live-settings.ts': ['domain', 'config', 'authority'],
  // The process: what starts, runs and ends a composed gateway. It names no adapter.
  'system-clock.ts': ['domain', 'ports'],
  'end-on-fault.ts': ['ports'],
  'count-buffers-with-heap.ts': [],
  'rounds.ts': [...inner, 'compose.ts', 'system-clock.ts'],
  'take-config.ts': [...inner, 'compose.ts'],
  'config-source.ts': [...inner, 'compose-store.ts'],
  'serve.ts': [
    ...inner,
    'take-config.ts',
    'compose.ts',
    'compose-store.ts',
    'config-source.ts',
    'count-buffers-with-heap.ts',
    'end-on-fault.ts',
    'rounds.ts',
    'serve-with-workers.ts',
    'system-clock.ts',
  ],
  'serve-with-workers.ts': [...inner, 'compose-workers.ts', 'config-source.ts'],
  'serve-as-worker.ts': [...inner, 'compose-workers.ts', 'config-source.ts', 'end-on-fault.ts', 'serve.ts', 'take-config.ts'],
  'demo.ts': [...inner, 'compose.ts', 'compose-store.ts', 'serve.ts', 'system-clock.ts'],
  'main.ts': [
    ...inner,
    'compose.ts',
    'compose-store.ts',
    'compose-dry-runs.ts',
    'serve.ts',
    'serve-as-worker.ts',
    'demo.ts',
    'system-clock.ts',
  ],
};

const files = sources('src');

function part(path: string): string {
  return path.split('/')[1] ?? '';
}

/** Adapters never import each other: a folder of adapters/ is one adapter, and so is a file. */
function adapter(path: string): string {
  return path.split('/')[2] ?? '';
}

/** Every import of one file of src/ by another. */
function edges(): { file: SourceFile; target: string; typeOnly: boolean }[] {
  return files.flatMap((file) => file.imports.flatMap(({ file: target, typeOnly }) => (target ? [{ file, target, typeOnly }] : [])));
}

describe('import direction', () => {
  test('there is something to judge', () => {
    expect(files.length).toBeGreaterThan(10);
    expect(edges().length).toBeGreaterThan(10);
  });

  test('every part of src/ has a place', () => {
    expect([...new Set(files.map(({ path }) => part(path)))].filter((name) => !mayImport[name])).toEqual([]);
  });

  test('parts import only what they may', () => {
    const wrong = edges().filter(({ file, target }) => !mayImport[part(file.path)]?.includes(part(target)) || !target.startsWith('src/'));
    expect(wrong.map(({ file, target }) => `${file.path} imports ${target}`)).toEqual([]);
  });

  test('adapters do not import each other', () => {
    const wrong = edges().filter(
      ({ file, target }) => part(file.path) === 'adapters' && part(target) === 'adapters' && adapter(file.path) !== adapter(target),
    );
    expect(wrong.map(({ file, target }) => `${file.path} imports ${target}`)).toEqual([]);
  });

  test('authority takes only types from config', () => {
    const wrong = edges().filter(({ file, target, typeOnly }) => part(file.path) === 'authority' && part(target) === 'config' && !typeOnly);
    expect(wrong.map(({ file, target }) => `${file.path} imports values of ${target}`)).toEqual([]);
  });

  test('relative imports name existing files with their .ts ending', () => {
    const known = new Set(files.map(({ path }) => path));
    expect(
      edges()
        .filter(({ target }) => !known.has(target))
        .map(({ file, target }) => `${file.path} imports ${target}`),
    ).toEqual([]);
  });

  test('no file imports itself through others', () => {
    expect(cycles()).toEqual([]);
  });
});

function cycles(): string[] {
  const next = new Map<string, string[]>();
  for (const { file, target } of edges()) next.set(file.path, [...(next.get(file.path) ?? []), target]);
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]) => {
    const seen = trail.indexOf(path);
    if (seen >= 0) found.push([...trail.slice(seen), path].join(' -> '));
    if (seen >= 0 || done.has(path)) return;
    for (const target of next.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) walk(path, []);
  return [...new Set(found)];
}

describe('purity', () => {
  const domain = files.filter(({ path }) => part(path) === 'domain');
  /** Packages that compute and do nothing else. */
  const pure = new Set(['temporal-polyfill', '@bufbuild/cel']);

  test('domain imports nothing of node but node:crypto, and only pure packages', () => {
    const wrong = domain.flatMap((file) =>
      file.imports
        .filter(({ from, file: target }) => !target && from !== 'node:crypto' && (isBuiltin(from) || !pure.has(packageOf(from))))
        .map(({ from }) => `${file.path} imports ${from}`),
    );
    expect(wrong).toEqual([]);
  });

  test('domain has no clock, no randomness and no surroundings of its own', () => {
    const ambient =
      /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.|\bTemporal\.Now\b|\bprocess\.|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(|\bconsole\.|\brandom(?:Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/;
    expect(domain.filter(({ code }) => ambient.test(code)).map(({ path, code }) => `${path}: ${ambient.exec(code)?.[0]}`)).toEqual([]);
  });

  test('stages, gateway and authority take clock, randomness and configuration from outside', () => {
    const inner = files.filter(({ path }) => ['stages', 'gateway.ts', 'authority', 'ports'].includes(part(path)));
    const ambient = /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.|\bprocess\.|\bconsole\.|\brandom(?:Bytes|UUID|Int)\b/;
    expect(inner.filter(({ code }) => ambient.test(code)).map(({ path, code }) => `${path}: ${ambient.exec(code)?.[0]}`)).toEqual([]);
  });
});

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

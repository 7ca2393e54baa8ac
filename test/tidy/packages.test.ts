import { isBuiltin } from 'node:module';
import { describe, expect, test } from 'vitest';
import { read, sources } from './source-tree.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly engines: Readonly<Record<string, string>>;
}

const manifest: Manifest = JSON.parse(read('package.json'));
const lock: { packages: Record<string, { version?: string }> } = JSON.parse(read('package-lock.json'));

/** Names in the first column of the table under a heading of docs/dependencies.md. */
function documented(heading: string): string[] {
  const section = read('docs/dependencies.md').split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name ?? '').sort();
}

describe('dependencies', () => {
  test.each(['dependencies', 'devDependencies'] as const)('%s are pinned to one exact version', (which) => {
    const loose = Object.entries(manifest[which]).filter(([, version]) => !/^(?:npm:@?[\w./-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version));
    expect(loose).toEqual([]);
  });

  test('docs/dependencies.md gives a reason for exactly these packages', () => {
    expect(documented('Runtime')).toEqual(Object.keys(manifest.dependencies).sort());
    expect(documented('Development')).toEqual(Object.keys(manifest.devDependencies).sort());
    expect(documented('Install scripts')).toEqual(Object.keys(manifest.allowScripts).sort());
  });

  test('src/ imports runtime dependencies only, and each of them', () => {
    const imported = new Set(
      sources('src')
        .flatMap(({ imports }) => imports)
        .filter(({ file, from }) => !file && !isBuiltin(from))
        .map(({ from }) =>
          from
            .split('/')
            .slice(0, from.startsWith('@') ? 2 : 1)
            .join('/'),
        ),
    );
    // Optional peers are imported too, where a setting needs them.
    const expected = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies ?? {})];
    expect([...imported].sort()).toEqual(expected.sort());
  });

  test('builtin modules are imported with their prefix', () => {
    const wrong = sources('src', 'test', 'load', 'examples').flatMap(({ path, imports }) =>
      imports.filter(({ from }) => isBuiltin(from) && !from.startsWith('node:')).map(({ from }) => `${path} imports ${from}`),
    );
    expect(wrong).toEqual([]);
  });

  test('the pinned Node is what engines asks for and what runs this', () => {
    expect(manifest.engines.node).toBe('>=24');
    expect(Number(manifest.devDependencies.node?.split('.')[0])).toBeGreaterThanOrEqual(24);
    expect(process.versions.node).toBe(manifest.devDependencies.node);
  });
});

describe('versions with known advisories', () => {
  /** First versions without the advisories this project must not inherit; every installed copy is judged, nested ones too. */
  const minimum: readonly (readonly [string, string])[] = [
    ['hono', '4.12.25'],
    ['@hono/node-server', '1.19.13'],
    ['http-proxy-middleware', '4.1.0'],
    ['undici', '7.24.0'],
    ['@modelcontextprotocol/sdk', '1.26.0'],
  ];

  test.each(minimum)('%s is at least %s', (name, least) => {
    const copies = Object.entries(lock.packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
    expect(copies.filter(([, { version }]) => compare(version ?? '0.0.0', least) < 0)).toEqual([]);
    if (manifest.dependencies[name] ?? manifest.devDependencies[name]) expect(copies.length).toBeGreaterThan(0);
  });

  test('jose signs and verifies; nothing encrypts or decrypts tokens', () => {
    const names = sources('src').flatMap(({ imports }) =>
      imports.filter(({ from }) => from.startsWith('jose')).flatMap((one) => one.names ?? []),
    );
    expect(names.filter((name) => /encrypt|decrypt|jwe/i.test(name))).toEqual([]);
  });
});

function compare(a: string, b: string): number {
  const numbers = (version: string) => (version.split('-')[0] ?? '').split('.').map(Number);
  const [left, right] = [numbers(a), numbers(b)];
  for (let at = 0; at < 3; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

import { isBuiltin } from 'node:module';
import { describe, expect, test } from 'vitest';
import { billOfMaterials } from '../security/sbom.ts';
import { read, sources } from './source-tree.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly engines: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/** One package of the lockfile. Without `dev` it is installed with keygate, on some platform. */
interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: true;
  readonly devOptional?: true;
  readonly peer?: true;
  readonly optional?: true;
  readonly hasInstallScript?: true;
}

const manifest: Manifest = JSON.parse(read('package.json'));
const lock: { packages: Record<string, Locked> } = JSON.parse(read('package-lock.json'));

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

describe('what an installation brings', () => {
  /** More than this, direct or altogether, is a decision to be made and not to be slipped into. */
  const directMax = 20;
  const allMax = 95;
  /** Where nobody here runs them; npm leaves their checksums out of the lockfile. */
  const unchecked = /^node_modules\/(?:@biomejs\/cli|@msgpackr-extract\/msgpackr-extract)-(?:android|darwin|win32|linux)-/;
  const locked = Object.entries(lock.packages).filter(([path]) => path !== '');
  const runtime = locked.filter(([, { dev, devOptional, peer }]) => !dev && !devOptional && !peer);
  const nameOf = (path: string) => path.split('node_modules/').at(-1) ?? '';

  test('runtime dependencies are few', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(directMax);
    expect(runtime.length).toBeGreaterThan(Object.keys(manifest.dependencies).length);
    expect(runtime.length).toBeLessThanOrEqual(allMax);
    expect(read('docs/dependencies.md')).toContain(`at most ${directMax} packages, and ${allMax} with all that they bring`);
  });

  test('every package comes from the registry, with a checksum', () => {
    expect(
      locked
        .filter(([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/'))
        .map(([path]) => path),
    ).toEqual([]);
    expect(
      locked.filter(([path, { integrity }]) => !integrity?.startsWith('sha512-') && !unchecked.test(path)).map(([path]) => path),
    ).toEqual([]);
    expect(locked.filter(([path, { optional }]) => unchecked.test(path) && !optional).map(([path]) => path)).toEqual([]);
  });

  test('no package has an install script but those that are named', () => {
    const withScript = new Set(locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path)));
    // fsevents is of macOS alone; its script compiles what stands beside it compiled.
    withScript.delete('fsevents');
    expect([...withScript].filter((name) => !(name in manifest.allowScripts))).toEqual([]);
    const atRuntime = runtime.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path));
    expect(atRuntime.sort()).toEqual(['lmdb', 'msgpackr-extract']);
  });

  test('installing keygate itself runs nothing', () => {
    const lifecycle = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish', 'preprepare', 'postprepare', 'prepack', 'postpack'];
    expect(lifecycle.filter((name) => name in manifest.scripts)).toEqual([]);
  });

  test('npm run sbom names each of them, with its version, and nothing of development', () => {
    const { bomFormat, components, metadata } = billOfMaterials();
    expect([bomFormat, metadata.component.name]).toEqual(['CycloneDX', 'keygate']);
    const told = new Set(components.map(({ purl }) => decodeURIComponent(purl).replace('pkg:npm/', '')));
    for (const name of Object.keys(manifest.dependencies)) expect(told).toContain(`${name}@${manifest.dependencies[name]}`);
    const installed = runtime.filter(([, { optional }]) => !optional).map(([path, { version }]) => `${nameOf(path)}@${version}`);
    expect(installed.filter((each) => !told.has(each))).toEqual([]);
    expect([...told].filter((each) => each.startsWith('vitest@') || each.startsWith('@modelcontextprotocol/'))).toEqual([]);
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

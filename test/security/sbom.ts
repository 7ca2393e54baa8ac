import { execFileSync } from 'node:child_process';
import { read, root } from '../tidy/source-tree.ts';

interface Component {
  'bom-ref': string;
  name: string;
  purl: string;
  properties?: readonly { readonly name: string }[];
}

interface Bill {
  bomFormat: string;
  metadata: { component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

/**
 * `npm run sbom`: the bill of materials (CycloneDX) of what an installation of keygate brings, from the lockfile. npm's own `--omit dev` leaves out whatever
 * development uses too, which are hono and undici among others (npm 11.19), so what is of development alone is taken out here.
 */
export function billOfMaterials(): Bill {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const bill = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', timeout: 60_000, maxBuffer: 64 * 1024 * 1024 })) as Bill;
  const components = bill.components.filter(
    ({ properties = [] }) => !properties.some(({ name }) => name === 'cdx:npm:package:development'),
  );
  const own = bill.metadata.component;
  const kept = new Set([own['bom-ref'], ...components.map((component) => component['bom-ref'])]);
  const dependencies = bill.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));
  // npm takes the name of the folder.
  const { name } = JSON.parse(read('package.json')) as { name: string };
  return { ...bill, metadata: { ...bill.metadata, component: { ...own, name } }, components, dependencies };
}

if (import.meta.main) console.log(JSON.stringify(billOfMaterials(), null, 2));

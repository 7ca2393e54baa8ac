import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { operations } from './judge-pair.ts';
import { moduleClients } from './module-clients.ts';
import { packageFolder, programClients } from './program-clients.ts';
import { runMatrix } from './run-matrix.ts';
import { tellCounts, tellTable } from './tell-table.ts';
import { upstreams } from './upstreams.ts';

/**
 * `npm run compatibility [-- --client TEXT] [--upstream TEXT] [--write]`: real clients at real servers through keygate. The texts choose those
 * that have them in their names. `--write` puts the table between the marks of docs/compatibility.md. Exit code 1 where a cell failed.
 */
const document = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url));
const marks = { start: '<!-- matrix: begin -->', end: '<!-- matrix: end -->' };

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    client: { type: 'string', default: '' },
    upstream: { type: 'string', default: '' },
  },
});
const clients = [...moduleClients, ...programClients].filter(({ name }) => name.includes(values.client));
const chosen = upstreams.filter(({ name }) => name.includes(values.upstream));

const all = await runMatrix({ clients, upstreams: chosen }, ({ client, upstream, pair }) => {
  const told = operations.map((operation) => {
    const cell = pair[operation];
    return cell.status === 'ok' ? operation : `${operation} ${cell.status} (${cell.why})`;
  });
  // Where it did not even connect, the other five say the same.
  console.log(`${upstream.name} / ${client.name}: ${pair.connect.status === 'ok' ? told.join(', ') : told[0]}`);
});
const failed = all.some(({ pair }) => Object.values(pair).some(({ status }) => status === 'failed'));
const text = `${told()}\n\n${tellTable(all)}\n\n${tellCounts(all)}.`;
console.log(`\n${text}`);
if (values.write) await write(text);
process.exit(failed ? 1 : 0);

/** When it was run, and with what. */
function told(): string {
  const packages = [...clients.map((client) => client.package), ...chosen.flatMap((upstream) => upstream.package ?? [])];
  const versions = [...new Set(packages)].map((name) => `${name} ${versionOf(name)}`);
  return `Run on ${new Date().toISOString().slice(0, 10)} with Node ${process.versions.node}, ${versions.join(', ')}.`;
}

function versionOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(packageFolder(name), 'package.json'), 'utf8')) as { version: string };
  return version;
}

async function write(table: string): Promise<void> {
  const before = await readFile(document, 'utf8');
  const [start, end] = [before.indexOf(marks.start), before.indexOf(marks.end)];
  if (start < 0 || end < start) throw new Error('docs/compatibility.md has lost the marks between which the table stands');
  await writeFile(document, `${before.slice(0, start + marks.start.length)}\n${table}\n${before.slice(end)}`);
}

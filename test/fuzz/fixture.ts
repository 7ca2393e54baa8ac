import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FuzzCase } from './run.ts';

const folder = fileURLToPath(new URL('fixtures', import.meta.url));

/** Cases that once brought something about, with what it was. Bytes are latin1, so that a fixture can be read. */
interface Fixture {
  readonly found: readonly string[];
  readonly cases: readonly { readonly latin1: string; readonly cutAt?: number }[];
}

/** @returns the name of the file */
export function writeFixture(found: readonly string[], cases: readonly FuzzCase[]): string {
  const fixture: Fixture = { found, cases: cases.map(({ bytes, ...rest }) => ({ latin1: bytes.toString('latin1'), ...rest })) };
  const text = `${JSON.stringify(fixture, null, 2)}\n`;
  const name = `${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`;
  writeFileSync(`${folder}/${name}`, text);
  return name;
}

export function readFixtures(): { name: string; cases: FuzzCase[] }[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => {
    const { cases } = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as Fixture;
    return { name, cases: cases.map(({ latin1, ...rest }) => ({ bytes: Buffer.from(latin1, 'latin1'), ...rest })) };
  });
}

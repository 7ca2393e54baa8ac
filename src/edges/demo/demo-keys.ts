import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authority } from '../../authority/authority.ts';
import { mint } from '../../authority/mint.ts';
import { deadReason } from '../../domain/key.ts';

/** The demo's keys by what they show. Their texts are kept in a 0600 file beside the store: only a demo does that. */
export interface DemoKeys {
  readonly read: string;
  readonly trade: string;
  readonly budget: string;
}

const requests = {
  read: { name: 'demo: may read', scopes: ['read:demo'], upstreams: ['demo'], expires_days: 30 },
  trade: { name: 'demo: may trade', scopes: ['trade:demo'], upstreams: ['demo'], expires_days: 30, budgets: [{ amount: '5', per: 'day' }] },
  budget: {
    name: 'demo: three reads an hour',
    scopes: ['read:demo'],
    upstreams: ['demo'],
    expires_days: 30,
    budgets: [{ amount: '0.003', per: 'hour' }],
  },
} as const;

/** Keys of an earlier run where they still live, else new ones. */
export async function demoKeys({ authority, folder }: { authority: Authority; folder: string }): Promise<DemoKeys> {
  const file = join(folder, 'demo-keys.json');
  const kept = await readKept(file);
  const keys = {
    read: await liveOrMinted(authority, 'read', kept),
    trade: await liveOrMinted(authority, 'trade', kept),
    budget: await liveOrMinted(authority, 'budget', kept),
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  return keys;
}

async function readKept(file: string): Promise<Partial<DemoKeys>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Partial<DemoKeys>;
  } catch {
    return {};
  }
}

async function liveOrMinted(authority: Authority, which: keyof DemoKeys, kept: Partial<DemoKeys>): Promise<string> {
  const text = kept[which];
  const id = text?.split('_')[2];
  const record = id === undefined ? undefined : await authority.keyring.get(id);
  if (text !== undefined && record && deadReason(record, authority.clock.now()) === undefined) return text;
  return (await mint(authority, requests[which], { via: 'demo' })).key;
}

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/adapters/log.ts';
import type { Authority } from '../../src/authority/authority.ts';
import { initialise } from '../../src/authority/init.ts';
import { mint } from '../../src/authority/mint.ts';
import { openAuthority } from '../../src/compose-store.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import { startGateway } from '../../src/serve.ts';
import { testStore } from './test-store.ts';

/** A gateway in this process, over real sockets, on a store and configuration of its own. */
export interface TestGateway {
  readonly url: string;
  readonly adminUrl: string;
  readonly folder: string;
  readonly configFile: string;
  readonly authority: Authority;
  readonly gateway: Awaited<ReturnType<typeof startGateway>>;
  /** Lines the operational log has written so far. */
  readonly logged: () => string;
  /** Mints a key; returns its text and id. */
  mint(request: Record<string, unknown>): Promise<{ key: string; id: string }>;
  /** The journal so far, parsed; `kind` narrows. */
  journal(kind?: string): Promise<JournalRecord[]>;
  /** Resolves once the journal holds as many records of the kind. */
  journalled(kind: string, count: number): Promise<JournalRecord[]>;
  close(): Promise<void>;
}

const journalMsMax = 5_000;

/** Makes a folder with a configuration and the secrets of `keygate init`, without starting anything. */
export async function prepareFolder(
  config: Record<string, unknown>,
  env: Readonly<Record<string, string>> = {},
): Promise<{ folder: string; configFile: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-test-'));
  const configFile = join(folder, 'keygate.json');
  const whole = { listen: { mcp: '127.0.0.1:0', admin: '127.0.0.1:0' }, store: './var', ...(await testStore()), ...config };
  await writeFile(configFile, JSON.stringify(whole, null, 2));
  const var_ = join(folder, 'var');
  const paths = { pepper: join(var_, 'pepper'), seal: join(var_, 'seal'), signing: join(var_, 'signing.jwk') };
  const surroundings = { configFile, env, cwd: folder };
  await initialise({ paths, random: randomBytes, open: () => openAuthority(surroundings) });
  return { folder, configFile };
}

export async function startTestGateway(
  config: Record<string, unknown>,
  { env = {} }: { env?: Readonly<Record<string, string>> } = {},
): Promise<TestGateway> {
  const { folder, configFile } = await prepareFolder(config, env);
  const logged: string[] = [];
  const log = createLog({ level: 'info', destination: { write: (line: string) => void logged.push(line) } });
  const gateway = await startGateway({ configFile, env, cwd: folder, log, version: 'test' });
  const { authority } = gateway.composed.api;
  const journal = followJournal(authority);
  return {
    url: gateway.mcpUrl,
    adminUrl: gateway.adminUrl,
    folder,
    configFile,
    authority,
    gateway,
    logged: () => logged.join(''),
    async mint(request) {
      const { key, record } = await mint(authority, { name: 'test key', ...request }, { via: 'cli' });
      return { key, id: record.id };
    },
    journal,
    async journalled(kind, count) {
      const deadline = performance.now() + journalMsMax;
      for (;;) {
        const records = await journal(kind);
        if (records.length >= count) return records;
        if (performance.now() > deadline) throw new Error(`the journal holds ${records.length} ${kind}, not ${count}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async close() {
      await gateway.drain();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @param from  a position; records after it are read */
export async function readJournal(authority: Pick<Authority, 'journal'>, kind?: string, from = 0): Promise<JournalRecord[]> {
  const { records } = await readAfter(authority, from);
  return ofKind(records, kind);
}

/** Reads a journal that only grows: what was read before is not read again. Each call is of records committed before it; one begins when the one before has ended. */
function followJournal(authority: Pick<Authority, 'journal'>): TestGateway['journal'] {
  const known: JournalRecord[] = [];
  let last = 0;
  const readOn = async (): Promise<void> => {
    const more = await readAfter(authority, last);
    known.push(...more.records);
    last = more.last;
  };
  let reading = Promise.resolve();
  return async (kind) => {
    const mine = reading.then(readOn);
    // One that failed is told to whoever asked, and the next one begins where it did.
    reading = mine.catch(() => undefined);
    await mine;
    return ofKind(known, kind);
  };
}

async function readAfter(authority: Pick<Authority, 'journal'>, from: number): Promise<{ records: JournalRecord[]; last: number }> {
  const records: JournalRecord[] = [];
  let last = from;
  // What was committed before now is to be read.
  await authority.journal.head();
  for (;;) {
    const lines = await authority.journal.read({ after: last, limit: 1_000 });
    const end = lines.at(-1);
    if (!end) return { records, last };
    for (const { text } of lines) records.push(JSON.parse(text) as JournalRecord);
    last = end.position;
  }
}

function ofKind(records: readonly JournalRecord[], kind: string | undefined): JournalRecord[] {
  return records.filter((record) => kind === undefined || record.kind === kind);
}

/** One upstream in configuration form, with a credential of its own. It is called however often it fails, since most tests make it fail on purpose, and without pins hears nothing but what a test sends. */
export function upstreamConfig(url: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    url,
    environment: 'live',
    credential: { header: 'authorization', value: 'Bearer upstream-secret' },
    tools: [{ match: '*', scope: 'read:up', price: '0.01' }],
    resources: [{ match: '**', scope: 'read:up' }],
    prompts: [{ match: '*', scope: 'read:up' }],
    breaker: false,
    pinning: { mode: 'off' },
    ...more,
  };
}

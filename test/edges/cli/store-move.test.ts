import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openAuthority, openWholeStore, readConfig } from '../../../src/compose-store.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { type Ran, runCommand } from './run-command.ts';

const upstreams =
  'upstreams: { wiki: { url: "http://127.0.0.1:9001/mcp", tools: [{ match: "get_*", scope: "read:wiki", price: "0.002" }] } }\n';

/** Two configurations that share their secrets: one with a folder, one with Redis. */
describe('moving and reconciling from the command line', () => {
  let server: TestRedis;
  let cwd = '';
  let database = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    database += 1;
    cwd = await mkdtemp(join(tmpdir(), 'keygate-move-'));
    await writeFile(join(cwd, 'folder.yaml'), `store: ./var\n${upstreams}`);
    await writeFile(join(cwd, 'redis.yaml'), `store: ${server.url}/${database}\n${upstreams}`);
    await keygate('folder', 'init');
    await keygate('folder', 'accounts create acme --budget 5.00/day');
    await keygate('folder', 'accounts credit acme 3.5 --reference inv-1');
    await keygate('folder', 'keys mint --name reader --scope read:wiki --upstream wiki --account acme --budget 1.00/day');
  });
  afterEach(() => rm(cwd, { recursive: true }));

  const keygate = async (which: 'folder' | 'redis', line: string): Promise<Ran> => {
    const place = { env: {}, cwd };
    return await runCommand(['--config', `${which}.yaml`, ...line.split(' ')], {
      ...place,
      readConfig: async ({ configFile }) => await readConfig({ configFile, ...place }),
      openAuthority: async ({ configFile }) => await openAuthority({ configFile, ...place }),
      openStore: async ({ configFile }) => await openWholeStore({ configFile, ...place }),
    });
  };

  it('a store goes over and comes back, and everything is where it was', async () => {
    const exported = await keygate('folder', 'store export out.jsonl');
    expect(exported).toMatchObject({ code: 0, err: '' });
    expect(exported.out).toMatch(/^wrote .*out\.jsonl\nkeys +2\naccounts +1\nbalances +3\.5\npayments +1\npaid +3\.5\n/);
    expect((await stat(join(cwd, 'out.jsonl'))).mode & 0o777).toBe(0o600);
    const imported = await keygate('redis', 'store import out.jsonl --json');
    expect(imported.document()).toMatchObject({
      file: join(cwd, 'out.jsonl'),
      counts: { key: 2, account: 1 },
      sums: { balances: '3500000' },
    });
    expect((await keygate('redis', 'accounts show acme --json')).document()).toMatchObject({ balance: '3.5' });
    expect((await keygate('redis', 'journal verify')).out).toContain('intact: 4 records');
    await keygate('redis', 'accounts credit acme 1 --reference inv-2');
    expect((await keygate('redis', 'accounts credit acme 3.5 --reference inv-1 --json')).document()).toMatchObject({ replayed: true });
    expect((await keygate('redis', 'ledger reconcile')).out).toMatch(
      /^reconciled: 1 accounts, 2 limits and 0 running calls against 5 records\n/,
    );

    await keygate('redis', 'store export back.jsonl');
    await writeFile(
      join(cwd, 'folder.yaml'),
      `store: ./new\nkeys: { pepper: "\${file:./var/pepper}", seal: "\${file:./var/seal}", signing: "\${file:./var/signing.jwk}" }\n${upstreams}`,
    );
    expect((await keygate('folder', 'store import back.jsonl')).out).toContain('the store holds what the file does');
    expect((await keygate('folder', 'accounts show acme --json')).document()).toMatchObject({ balance: '4.5' });
    expect((await keygate('folder', 'journal verify --json')).document()).toMatchObject({ ok: true, records: 5 });
    expect((await keygate('folder', 'ledger reconcile --json')).document()).toMatchObject({ ok: true, differences: [] });
  });

  it('standard output carries the same file', async () => {
    const piped = await keygate('folder', 'store export -');
    await writeFile(join(cwd, 'piped.jsonl'), piped.out);
    expect((await keygate('redis', 'store import piped.jsonl')).code).toBe(0);
  });

  it('a refusal leaves no file, and says what to do', async () => {
    const serving = await openWholeStore({ configFile: join(cwd, 'folder.yaml'), env: {}, cwd });
    await serving.store.claimGateway();
    const refused = await keygate('folder', 'store export out.jsonl');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('is serving from this store. Stop it, then export again.');
    await serving.close();
    expect((await readdir(cwd)).filter((name) => name.startsWith('out'))).toEqual([]);

    expect((await keygate('redis', 'store import nowhere.jsonl')).err).toContain('cannot read');
    await writeFile(join(cwd, 'other.jsonl'), 'something else\n');
    const other = await keygate('redis', 'store import other.jsonl --json');
    expect([other.code, JSON.parse(other.err)]).toMatchObject([1, { error: { code: 'CONFLICT' } }]);
    expect((await keygate('folder', 'store export no/such/folder.jsonl')).err).toContain('cannot write');
    await keygate('folder', 'store export out.jsonl');
    expect((await keygate('folder', 'store import out.jsonl')).err).toContain('The store is not empty');
    expect((await keygate('folder', 'store export')).code).toBe(2);
    expect((await keygate('folder', 'store')).code).toBe(2);
  });

  it('secrets stay out of the file', async () => {
    await keygate('folder', 'store export out.jsonl');
    const text = await readFile(join(cwd, 'out.jsonl'), 'utf8');
    for (const name of ['pepper', 'seal']) expect(text).not.toContain((await readFile(join(cwd, 'var', name), 'utf8')).trim());
    expect(text).not.toMatch(/kg_live_[A-Za-z0-9]{8}_/);
  });

  it('a balance that was changed by hand is named, and the exit code says so', async () => {
    await keygate('folder', 'store export out.jsonl');
    await keygate('redis', 'store import out.jsonl');
    const redis = new Redis(`${server.url}/${database}`);
    const [account = ''] = await redis.keys('kg:*}:account:acme');
    await redis.hset(account, 'balance', 9_500_000);
    redis.disconnect();
    const told = await keygate('redis', 'ledger reconcile');
    expect(told.code).toBe(1);
    expect(told.out).toMatch(/^NOT RECONCILED: /);
    expect(told.out).toMatch(/account acme balance +9\.5 +3\.5 +6\n$/);
    const document = (await keygate('redis', 'ledger reconcile --json')).document();
    expect(document).toMatchObject({
      ok: false,
      differences: [{ what: 'account acme balance', ledger: '9.5', journal: '3.5', difference: '6' }],
    });
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announceExpiring } from '../../../src/authority/expiring.ts';
import { openAuthority, readConfig } from '../../../src/compose-store.ts';
import { digestKey } from '../../../src/domain/credential.ts';
import { type Ran, runCommand } from './run-command.ts';

const configuration = `
listen: { mcp: 127.0.0.1:18082, admin: 127.0.0.1:18083 }
store: ./var
keys: { guards: { name: refuse }, children: { depthMax: 1 } }
upstreams:
  wiki:
    url: http://127.0.0.1:9001/mcp
    tools:
      - { match: "get_*", scope: "read:wiki" }
      - { match: "write_*", scope: "write:wiki", price: "0.05" }
`;

interface Journalled {
  readonly kind: string;
  readonly keyId?: string;
  readonly [fact: string]: unknown;
}

/** docs/keys.md, command by command: each answer, and what the journal keeps of it. */
describe("one key's whole life, over an embedded store", () => {
  let cwd = '';
  const secrets: string[] = [];
  const place = () => ({ env: {}, cwd });
  const keygate = async (line: string, input?: string): Promise<Ran> =>
    await runCommand(['--config', 'keygate.yaml', ...line.split(' ')], {
      ...place(),
      ...(input === undefined ? {} : { input: lines(input) }),
      readConfig: async ({ configFile }) => await readConfig({ configFile, ...place() }),
      openAuthority: async ({ configFile }) => await openAuthority({ configFile, ...place() }),
    });
  async function* lines(text: string): AsyncGenerator<string> {
    yield text;
  }
  const answer = async (line: string): Promise<Record<string, unknown> & { id: string; key: string }> => {
    const ran = await keygate(`${line} --json`);
    expect(ran).toMatchObject({ code: 0, err: '' });
    const document = ran.document<Record<string, unknown> & { id: string; key: string }>();
    if (typeof document.key === 'string') secrets.push(document.key.slice(-49));
    return document;
  };
  const newest = async (): Promise<Journalled | undefined> =>
    (await keygate('journal tail -n 1 --json')).document<{ data: Journalled[] }>().data.at(-1);
  /** The id of the key that this text opens now. */
  const opens = async (key: string): Promise<string | undefined> => {
    const { authority, close } = await openAuthority({ configFile: 'keygate.yaml', ...place() });
    try {
      return (await authority.keyring.byDigest(digestKey(key, authority.keys.peppers[0] ?? '')))?.id;
    } finally {
      await close();
    }
  };

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'keygate-life-'));
    await writeFile(join(cwd, 'keygate.yaml'), configuration);
    await keygate('init');
  });
  afterAll(async () => {
    await rm(cwd, { recursive: true });
  });

  let first = { id: '', key: '' };

  it('is minted, with warnings, or refused by a guard', async () => {
    const refused = await keygate('keys mint --name test --scope read:wiki');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('keys.guards.name');
    first = await answer('keys mint --name wiki-writer --scope write:wiki read:wiki --agent devops-7f3a --org acme --expires 30d');
    expect(first).toMatchObject({ guards: ['unbudgeted'], status: 'active', agentId: 'devops-7f3a' });
    expect(await newest()).toMatchObject({ kind: 'key.minted', keyId: first.id, via: 'cli', agent: 'devops-7f3a', org: 'acme' });
  });

  it('is changed', async () => {
    expect(await answer(`keys set ${first.id} --budget 5.00/day --owner Ada`)).toMatchObject({ budgets: [{ amount: '5' }], guards: [] });
    const record = await newest();
    expect(record).toMatchObject({ kind: 'key.changed', keyId: first.id, budgets: ['5/day@UTC'] });
    expect(record?.changed).toEqual(expect.arrayContaining(['budgets', 'owner']));
    expect(JSON.stringify(record)).not.toContain('Ada');
  });

  it('has a child, which is narrower and counts against it', async () => {
    const child = await answer(`keys mint --name page-reader --parent ${first.id} --scope read:wiki --expires 1h`);
    expect(child).toMatchObject({ parentIds: [first.id], scopes: ['read:wiki'], orgId: 'acme' });
    expect(await newest()).toMatchObject({ kind: 'key.minted', keyId: child.id, parentIds: [first.id] });
    expect((await keygate(`usage ${child.id}`)).out).toContain(`key:${first.id} budget day`);
    expect((await keygate(`keys mint --name wider --parent ${first.id} --scope manage`)).err).toContain("not within the parent's scopes");
    expect((await keygate(`keys mint --name deeper --parent ${child.id}`)).err).toContain('keys.children.depthMax');
    expect(await answer(`keys show ${first.id}`)).toMatchObject({ childIds: [child.id] });
  });

  it('is rotated, with both secrets open for a while and then one', async () => {
    const second = await answer(`keys rotate ${first.id} --overlap 15m`);
    expect(second).toMatchObject({ id: first.id, budgets: [{ amount: '5' }] });
    expect(await newest()).toMatchObject({ kind: 'key.rotated', keyId: first.id, overlap: '15m' });
    expect([await opens(first.key), await opens(second.key)]).toEqual([first.id, first.id]);
    const third = await answer(`keys rotate ${first.id}`);
    expect([await opens(first.key), await opens(second.key), await opens(third.key)]).toEqual([undefined, undefined, first.id]);
  });

  it('is announced before its end, once', async () => {
    const { authority, close } = await openAuthority({ configFile: 'keygate.yaml', ...place() });
    const later = { ...authority, clock: { ...authority.clock, now: () => authority.clock.now() + 25 * 86_400_000 } };
    expect([await announceExpiring(later), await announceExpiring(later)]).toEqual([1, 0]);
    await close();
    expect(await newest()).toMatchObject({ kind: 'key.expiring', keyId: first.id, within: '7d', owner: 'Ada' });
  });

  it('is reissued with a shorter life and fewer scopes, which ends its children', async () => {
    const next = await answer(`keys reissue ${first.id} --expires 12h --scope read:wiki`);
    expect(next).toMatchObject({ replaced: first.id, scopes: ['read:wiki'], budgets: [{ amount: '5' }], owner: 'Ada' });
    expect(await newest()).toMatchObject({ kind: 'key.revoked', keyId: first.id, reason: `reissued; replaced by ${next.id}` });
    expect(await answer(`keys show ${first.id}`)).toMatchObject({ status: 'revoked' });
    first = next;
  });

  it('is reported as leaked, whoever reports it', async () => {
    const leaked = await answer('keys mint --name leaky --scope read:wiki');
    const ran = await keygate('keys leak', `${leaked.key}\n`);
    expect(ran.code).toBe(0);
    expect(await newest()).toMatchObject({ kind: 'key.leaked', keyId: leaked.id, reason: 'leaked' });
    expect(await answer(`keys show ${leaked.id}`)).toMatchObject({ status: 'revoked', revokedReason: 'leaked' });
  });

  it('is revoked with all of its agent', async () => {
    const done = await answer('keys revoke --agent devops-7f3a --org acme --reason retired');
    expect(done).toMatchObject({ kept: null, acknowledged: 1, pending: 0 });
    expect(done.revoked).toContain(first.id);
    expect(await newest()).toMatchObject({ kind: 'key.revoked', reason: 'retired', agent: 'devops-7f3a' });
  });

  it('is deleted, and its journal stays', async () => {
    expect(await answer(`keys delete ${first.id}`)).toMatchObject({ id: first.id, deleted: true });
    expect(await newest()).toMatchObject({ kind: 'key.deleted', keyId: first.id, name: 'wiki-writer' });
    expect((await keygate(`keys show ${first.id}`)).code).toBe(1);
    const { data } = (await keygate('journal tail -n 1000 --json')).document<{ data: Journalled[] }>();
    expect(data.filter(({ keyId }) => keyId === first.id).map(({ kind }) => kind)).toEqual(['key.minted', 'key.revoked', 'key.deleted']);
    expect((await keygate('journal verify --json')).document()).toMatchObject({ ok: true });
  });

  it('I5: left no secret behind in the journal', async () => {
    const exported = (await keygate('journal export')).out;
    expect(secrets.length).toBeGreaterThan(5);
    for (const secret of secrets) expect(exported).not.toContain(secret);
  });
});

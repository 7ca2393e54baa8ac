import { describe, expect, it } from 'vitest';
import type { Authority } from '../../src/authority/authority.ts';
import { bulkRevoke } from '../../src/authority/bulk-revoke.ts';
import { announceExpiring } from '../../src/authority/expiring.ts';
import { reportLeak } from '../../src/authority/leak.ts';
import { mint } from '../../src/authority/mint.ts';
import { patch, patchAnswer } from '../../src/authority/patch.ts';
import { Conflict, NotFound, RequestProblems } from '../../src/authority/problems.ts';
import { reissue, reissueAnswer } from '../../src/authority/reissue.ts';
import { remove } from '../../src/authority/remove.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { rotate, rotateAnswer } from '../../src/authority/rotate.ts';
import { digestKey, readKey } from '../../src/domain/credential.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import { createMemoryAuthority, type MemoryAuthority, startMs } from '../support/memory-authority.ts';

const by = { via: 'cli' } as const;
const dayMs = 86_400_000;

async function withKey(change: object = {}, options: Parameters<typeof createMemoryAuthority>[0] = {}) {
  const authority = createMemoryAuthority(options);
  const { key, record } = await mint(authority, { name: 'page reader', scopes: ['read:wiki', 'trade:desk'], ttl: '30d', ...change }, by);
  return { authority, key, id: record.id, stored: () => stored(authority, record.id) };
}

function stored(authority: MemoryAuthority, id: string): KeyRecord {
  const record = authority.records.get(id);
  if (record === undefined) throw new Error('no such key');
  return record;
}

async function opens(authority: MemoryAuthority, key: string): Promise<string | undefined> {
  return (await authority.keyring.byDigest(digestKey(key, authority.keys.peppers[0] ?? '')))?.id;
}

/** Kinds and facts of what the journal was told. */
function journal({ texts }: MemoryAuthority): Record<string, unknown>[] {
  return texts.map((text) => JSON.parse(text) as Record<string, unknown>);
}

async function problemsOf(act: Promise<unknown>): Promise<string[]> {
  const error = await act.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof RequestProblems)) throw error ?? new Error('nothing was refused');
  return error.problems.map(({ path }) => path);
}

/** Lets somebody else change a key between a decision and its commit, so many times. */
function raced(authority: MemoryAuthority, times: number): Authority {
  let left = times;
  return {
    ...authority,
    keyring: {
      ...authority.keyring,
      async replace(options) {
        if (left > 0) {
          left -= 1;
          const other = stored(authority, options.record.id);
          authority.records.set(other.id, { ...other, owner: `rival ${left}`, revision: other.revision + 1 });
        }
        return await authority.keyring.replace(options);
      },
    },
  };
}

describe('patch', () => {
  it('changes what is named and nothing else, and says what in the journal', async () => {
    const { authority, id, stored } = await withKey({ owner: 'Ada', metadata: { team: 'a' }, maxUses: 9 });
    const before = stored();
    const { record } = await patch(authority, id, { scopes: ['read:wiki'], owner: 'Eve', maxUses: null, ttl: '5d' }, by);
    expect(record).toMatchObject({
      scopes: ['read:wiki'],
      owner: 'Eve',
      maxUses: null,
      expiresAt: new Date(startMs + 5 * dayMs).toISOString(),
    });
    expect(stored()).toEqual({
      ...(({ maxUses: _, ...rest }) => rest)(before),
      scopes: ['read:wiki'],
      owner: 'Eve',
      expiresAt: startMs + 5 * dayMs,
      revision: 2,
    });
    const [fact] = journal(authority);
    expect(fact).toMatchObject({
      kind: 'key.changed',
      keyId: id,
      via: 'cli',
      scopes: ['read:wiki'],
      expiresAt: '2026-11-25T12:00:00.000Z',
    });
    expect(fact?.changed).toEqual(expect.arrayContaining(['scopes', 'owner', 'maxUses', 'expiresAt']));
    expect(JSON.stringify(fact)).not.toContain('Eve');
  });

  it('takes every member that a mint takes, as it takes it', async () => {
    const { authority, id } = await withKey();
    const request = {
      name: 'other name',
      permissions: { read: ['kb'] },
      budgets: [{ amount: '1.50', per: 'day' }],
      caps: [{ calls: 5, per: 'hour', tool: 'get_*' }],
      rate: { calls: 2, perSeconds: 1 },
      upstreams: ['wiki'],
      tools: ['get_*'],
      addresses: ['192.0.2.1'],
      children: false,
      purpose: 'nightly',
      metadata: { team: 'b' },
      onBehalfOf: 'ada@example.com',
      expires_days: 2,
    };
    const answer = patchAnswer(await patch(authority, id, request, by));
    expect(answer).toMatchObject({
      ...{ name: 'other name', scopes: ['read:kb'], upstreams: ['wiki'], tools: ['get_*'], addresses: ['192.0.2.1/32'], children: false },
      budgets: [{ amount: '1.5', per: 'day', zone: 'UTC' }],
      ...{ purpose: 'nightly', metadata: { team: 'b' }, onBehalfOf: 'ada@example.com', warnings: [], guards: [] },
    });
    await patch(authority, id, { budgets: [], caps: [], rate: null, purpose: null, metadata: null, onBehalfOf: null, children: true }, by);
    const after = stored(authority, id);
    for (const gone of ['rate', 'purpose', 'metadata', 'onBehalfOf', 'children']) expect(Object.hasOwn(after, gone)).toBe(false);
    expect(after.budgets).toEqual([]);
  });

  it.each([
    ['nothing', {}, ['']],
    ['what it does not know', { budget: '5/day' }, ['budget']],
    ['another organisation', { orgId: 'other' }, ['orgId']],
    ['another environment', { environment: 'test' }, ['environment']],
    ['another parent', { parentId: 'AbCd1234' }, ['parentId']],
    ['a binding by selector', { scopes: ['read', 'agent:payroll'] }, ['scopes']],
    ['an unknown upstream', { upstreams: ['nowhere'] }, ['upstreams[0]']],
    ['too long a life', { ttl: '366d' }, ['ttl']],
    ['no end', { ttl: 'never' }, ['ttl']],
    [
      'the same budget twice',
      {
        budgets: [
          { amount: '1', per: 'day' },
          { amount: '2', per: 'day' },
        ],
      },
      ['budgets[1]'],
    ],
    ['no name', { name: null }, ['name']],
  ])('refuses %s', async (_what, request, paths) => {
    const { authority, id, stored } = await withKey();
    const before = stored();
    expect(await problemsOf(patch(authority, id, request, by))).toEqual(paths);
    expect(stored()).toBe(before);
  });

  it('I7: keeps a child within every ancestor, and what stands is not judged again', async () => {
    const { authority, id } = await withKey({ tools: ['get_*'], rate: { calls: 5, perSeconds: 1 } });
    const child = (await mint(authority, { name: 'a child', parentId: id }, by)).record;
    for (const [request, path] of [
      [{ scopes: ['manage'] }, 'scopes[0]'],
      [{ permissions: { manage: ['wiki'] } }, 'permissions'],
      [{ tools: [] }, 'tools'],
      [{ ttl: '31d' }, 'ttl'],
      [{ expires_days: 31 }, 'expires_days'],
    ] as const) {
      expect(await problemsOf(patch(authority, child.id, request, by))).toEqual([path]);
    }
    await patch(authority, id, { scopes: ['read:wiki'] }, by);
    expect((await patch(authority, child.id, { name: 'renamed child' }, by)).record.name).toBe('renamed child');
    expect(await problemsOf(patch(authority, child.id, { scopes: ['trade:desk'] }, by))).toEqual(['scopes[0]']);
  });

  it('decides again where somebody was faster, and gives up where it never ends', async () => {
    const { authority, id, stored } = await withKey();
    await patch(raced(authority, 3), id, { name: 'in the end' }, by);
    expect(stored()).toMatchObject({ name: 'in the end', owner: 'rival 0', revision: 5 });
    await expect(patch(raced(authority, 99), id, { name: 'never' }, by)).rejects.toThrow(Conflict);
  });

  it('brings no dead key back', async () => {
    const { authority, id } = await withKey({ ttl: '1d' });
    authority.advance(dayMs);
    await expect(patch(authority, id, { ttl: '1d' }, by)).rejects.toThrow(/has expired/);
    const other = await withKey();
    await revoke(other.authority, other.id, { by });
    await expect(patch(other.authority, other.id, { name: 'alive again' }, by)).rejects.toThrow(/was revoked/);
    await expect(patch(authority, 'AAAAAAAA', { name: 'nobody' }, by)).rejects.toThrow(NotFound);
  });

  it('trips guards by what it brings, and not by what stood before', async () => {
    const { authority, id } = await withKey({ scopes: ['read:*'] }, { guards: {} });
    const strict = { ...authority, keys: { ...authority.keys, guards: { ...authority.keys.guards, wildcard: 'refuse' as const } } };
    expect((await patch(strict, id, { name: 'still the same' }, by)).guards).toEqual([]);
    expect(await problemsOf(patch(strict, id, { scopes: ['read:*', 'trade:*'] }, by))).toEqual(['scopes']);
    expect((await patch(authority, id, { scopes: ['trade:*'] }, by)).guards).toEqual(['wildcard']);
  });
});

describe('rotate', () => {
  it('gives the same record a new secret at once', async () => {
    const { authority, key, id, stored } = await withKey({ budgets: [{ amount: '5', per: 'day' }] });
    const before = stored();
    const rotated = await rotate(authority, id, {}, by);
    expect(readKey(rotated.key, 'kg')).toEqual({ environment: 'live', id });
    expect(await opens(authority, rotated.key)).toBe(id);
    expect(await opens(authority, key)).toBeUndefined();
    expect(stored()).toEqual({ ...before, last4: rotated.key.slice(-4), digests: stored().digests, revision: 2 });
    expect(Object.keys(rotateAnswer(rotated)).slice(0, 2)).toEqual(['id', 'key']);
    expect(journal(authority)).toMatchObject([{ kind: 'key.rotated', overlap: 'now', keyId: id }]);
    expect(JSON.stringify([authority.texts, rotated.record, stored()])).not.toContain(rotated.key.slice(-49, -6));
  });

  it.each([
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['6h', 21_600_000],
    ['24h', 86_400_000],
    ['1d', 86_400_000],
    ['90s', 90_000],
  ])('A36: lets both secrets open it for %s', async (overlap, ms) => {
    const { authority, key, id } = await withKey();
    const rotated = await rotate(authority, id, { overlap }, by);
    expect(rotated.record.previousUntil).toBe(new Date(startMs + ms).toISOString());
    authority.advance(ms - 1);
    expect(await Promise.all([opens(authority, key), opens(authority, rotated.key)])).toEqual([id, id]);
    authority.advance(1);
    expect(await Promise.all([opens(authority, key), opens(authority, rotated.key)])).toEqual([undefined, id]);
  });

  it('never leaves more than two secrets', async () => {
    const { authority, key, id, stored } = await withKey();
    const second = await rotate(authority, id, { overlap: '24h' }, by);
    const third = await rotate(authority, id, { overlap: '1h' }, by);
    expect(await Promise.all([key, second.key, third.key].map((each) => opens(authority, each)))).toEqual([undefined, id, id]);
    const fourth = await rotate(authority, id, { overlap: 'now' }, by);
    expect(await Promise.all([second.key, third.key, fourth.key].map((each) => opens(authority, each)))).toEqual([
      undefined,
      undefined,
      id,
    ]);
    expect(stored().digests).toHaveLength(1);
  });

  it.each([['25h'], ['0s'], [''], ['soon'], [900], [null]])('refuses the overlap %j', async (overlap) => {
    const { authority, id } = await withKey();
    expect(await problemsOf(rotate(authority, id, { overlap }, by))).toEqual(['overlap']);
  });

  it('is refused for a dead key, and survives a race', async () => {
    const { authority, id, stored } = await withKey();
    const rotated = await rotate(raced(authority, 2), id, {}, by);
    expect(await opens(authority, rotated.key)).toBe(id);
    expect(stored().owner).toBe('rival 0');
    await revoke(authority, id, { by });
    await expect(rotate(authority, id, {}, by)).rejects.toThrow(Conflict);
  });
});

describe('reissue', () => {
  const grants = {
    orgId: 'acme',
    agentId: 'devops',
    tools: ['get_*'],
    budgets: [{ amount: '5', per: 'day' }],
    rate: { calls: 2, perSeconds: 1 },
    owner: 'Ada',
    children: false,
  } as const;

  it('replaces a key by one with the same grants and a shorter life, in one act', async () => {
    const { authority, key, id, stored } = await withKey(grants);
    const other = (await mint(authority, { name: 'somebody else', scopes: ['read'] }, by)).record;
    const untouched = authority.records.get(other.id);
    const before = stored();
    const done = await reissue(authority, id, { ttl: '12h' }, by);
    expect(readKey(done.key, 'kg')?.id).toBe(done.record.id);
    const { digests, last4, prefix, expiresAt, ...same } = authority.records.get(done.record.id) ?? before;
    expect(same).toEqual({ ...(({ digests: _d, last4: _l, prefix: _p, expiresAt: _e, ...rest }) => rest)(before), id: done.record.id });
    expect(expiresAt).toBe(startMs + 43_200_000);
    expect(done.replaced).toMatchObject({ id, status: 'revoked', revokedReason: `reissued; replaced by ${done.record.id}` });
    expect(await opens(authority, done.key)).toBe(done.record.id);
    expect(await opens(authority, key)).toBe(id);
    expect(authority.records.get(other.id)).toBe(untouched);
    expect(reissueAnswer(done)).toMatchObject({ id: done.record.id, key: done.key, replaced: id, guards: [] });
    expect(digests[0]?.digest).not.toBe(before.digests[0]?.digest);
  });

  it('keeps the same end where none is named, and is no way to a longer life', async () => {
    const { authority, id } = await withKey();
    authority.advance(dayMs);
    expect(await problemsOf(reissue(authority, id, { ttl: '30d' }, by))).toEqual(['ttl']);
    const done = await reissue(authority, id, {}, by);
    expect(done.record.expiresAt).toBe(new Date(startMs + 30 * dayMs).toISOString());
    await expect(reissue(authority, id, {}, by)).rejects.toThrow(Conflict);
  });

  it('takes scopes away and gives none', async () => {
    const { authority, id } = await withKey();
    expect(await problemsOf(reissue(authority, id, { scopes: ['read:wiki', 'manage'] }, by))).toEqual(['scopes']);
    expect(stored(authority, id).revokedAt).toBeUndefined();
    expect((await reissue(authority, id, { scopes: ['read:wiki'] }, by)).record.scopes).toEqual(['read:wiki']);
  });

  it('I2: what may be spent once in a life is not given twice', async () => {
    const { authority, id } = await withKey({
      maxUses: 10,
      budgets: [
        { amount: '5', per: 'total' },
        { amount: '1', per: 'day' },
      ],
      caps: [{ calls: 8, per: 'total', tool: 'get_*' }],
    });
    authority.usageLines = [
      { limitName: `key:${id} budget total`, unit: 'micros', limit: 5_000_000, spent: 1_250_000, held: 250_000 },
      { limitName: `key:${id} uses`, unit: 'calls', limit: 10, spent: 4, held: 0 },
      { limitName: `key:${id} cap total get_*`, unit: 'calls', limit: 8, spent: 9, held: 0 },
    ];
    const { record } = await reissue(authority, id, {}, by);
    expect(record.budgets.map(({ amount }) => amount)).toEqual(['3.5', '1']);
    expect(record.maxUses).toBe(6);
    expect(record.caps[0]?.calls).toBe(0);
  });

  it('leaves a child a child, and its own children behind', async () => {
    const { authority, id } = await withKey();
    const child = (await mint(authority, { name: 'a child', parentId: id }, by)).record;
    const grandchild = (await mint(authority, { name: 'its child', parentId: child.id }, by)).record;
    const done = await reissue(authority, child.id, { ttl: '1d' }, by);
    expect(done.record.parentIds).toEqual([id]);
    expect(stored(authority, grandchild.id).parentIds).toEqual([child.id, id]);
  });

  it.each([
    [{ ttl: 'never' }, ['ttl']],
    [{ scopes: ['READ'] }, ['scopes[0]']],
    [{ budgets: [] }, ['budgets']],
    [{ reason: 'a\nb' }, ['reason']],
  ])('refuses %j', async (request, paths) => {
    const { authority, id } = await withKey();
    expect(await problemsOf(reissue(authority, id, request, by))).toEqual(paths);
  });
});

describe('remove', () => {
  it('leaves a key that nobody minted', async () => {
    const { authority, key, id } = await withKey();
    expect(await remove(authority, id, { by })).toMatchObject({ id, deleted: true, acknowledged: 1, pending: 0 });
    expect(await opens(authority, key)).toBeUndefined();
    expect(journal(authority)).toMatchObject([{ kind: 'key.deleted', keyId: id, reason: 'deleted by an operator' }]);
    await expect(remove(authority, id, { by })).rejects.toThrow(NotFound);
  });
});

describe('how far an end has come', () => {
  const behind = { acknowledged: ['gate-1', 'gate-2'], pending: ['gate-3'] };
  const spread = { acknowledged: 2, pending: 1, pendingReplicas: ['gate-3'] };

  it('is told by each act that ends keys: how many replicas have acted on it, and which have not', async () => {
    const { authority, id } = await withKey();
    authority.acknowledgement = behind;
    expect(await revoke(authority, id, { by })).toMatchObject({ already: false, ...spread });
    expect(await revoke(authority, id, { by })).toMatchObject({ already: true, ...spread });
    expect(await bulkRevoke(authority, { kind: 'agent' }, { by })).toMatchObject(spread);
    expect(await remove(authority, id, { by })).toMatchObject(spread);
  });

  it('waits for the replicas at most two seconds, which count', async () => {
    const { authority, id } = await withKey();
    const waited: number[] = [];
    const slow = async (withinMs: number) => {
      waited.push(withinMs);
      expect(authority.records.get(id)?.revokedAt).toBeDefined();
      authority.advance(withinMs);
      return behind;
    };
    const { elapsedMs } = await revoke({ ...authority, keyring: { ...authority.keyring, acknowledged: slow } }, id, { by });
    expect([waited, elapsedMs]).toEqual([[2_000], 2_000]);
  });

  it('is unknown where the store fails after the commit: the key is dead all the same', async () => {
    const { authority, id } = await withKey();
    const silent = async () => Promise.reject(new Error('the store does not answer'));
    const done = await revoke({ ...authority, keyring: { ...authority.keyring, acknowledged: silent } }, id, { by });
    expect(done).toMatchObject({ record: { status: 'revoked' }, acknowledged: 0, pending: 1, pendingReplicas: ['unknown'] });
  });

  it('holds up no new key: a reissue waits for nobody', async () => {
    const { authority, id } = await withKey();
    const acknowledged = async () => Promise.reject(new Error('nobody asks'));
    const done = await reissue({ ...authority, keyring: { ...authority.keyring, acknowledged } }, id, {}, by);
    expect(done.replaced.status).toBe('revoked');
  });
});

describe('bulk revocation', () => {
  const many = async (count: number) => {
    const authority = createMemoryAuthority();
    for (let at = 0; at < count; at += 1) {
      await mint(authority, { name: `reader ${at}`, scopes: ['read'], orgId: at % 2 ? 'odd' : 'even', agentId: `agent-${at % 4}` }, by);
    }
    return authority;
  };

  it('ends every key that all of the filter matches, and no other', async () => {
    const authority = await many(150);
    const first = await bulkRevoke(authority, { orgId: 'odd', agentId: 'agent-1' }, { reason: 'agent compromised', by });
    expect(first).toMatchObject({ already: 0, kept: null, acknowledged: 1, pending: 0 });
    const dead = [...authority.records.values()].filter(({ revokedAt }) => revokedAt !== undefined);
    expect(dead.map(({ id }) => id).sort()).toEqual([...first.revoked].sort());
    expect(
      dead.every(({ orgId, agentId, revokedReason }) => orgId === 'odd' && agentId === 'agent-1' && revokedReason === 'agent compromised'),
    ).toBe(true);
    expect(first.revoked.length).toBe([...Array(150).keys()].filter((at) => at % 4 === 1).length);
    expect(await bulkRevoke(authority, { orgId: 'odd' }, { by })).toMatchObject({ already: first.revoked.length });
  });

  it('refuses a filter that would mean every key', async () => {
    const authority = await many(3);
    for (const filter of [{}, { orgId: undefined }, { org: 'odd' }, { orgId: '' }, null]) {
      await expect(bulkRevoke(authority, filter, { by })).rejects.toThrow(RequestProblems);
    }
    expect([...authority.records.values()].some(({ revokedAt }) => revokedAt !== undefined)).toBe(false);
  });

  it('leaves the key that asks', async () => {
    const authority = await many(4);
    const [asking = ''] = authority.records.keys();
    const done = await bulkRevoke(authority, { kind: 'agent' }, { by: { via: 'api', keyId: asking } });
    expect(done.kept).toBe(asking);
    expect(done.revoked).toHaveLength(3);
    expect(stored(authority, asking).revokedAt).toBeUndefined();
  });
});

describe('a leak report', () => {
  it('revokes by the whole key, once, and answers the same whatever it was', async () => {
    const { authority, key, id, stored } = await withKey();
    const answers = [
      await reportLeak(authority, { key: `${key}\n` }, by),
      await reportLeak(authority, { key }, by),
      await reportLeak(authority, { key: `${key.slice(0, -1)}x` }, by),
      await reportLeak(authority, { key: 'junk' }, by),
      await reportLeak(authority, { id: 'AAAAAAAA' }, by),
    ];
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(new Set(['{"received":true}']));
    expect(stored()).toMatchObject({ revokedAt: startMs, revokedReason: 'leaked', revision: 2 });
    expect(journal(authority)).toMatchObject([{ kind: 'key.leaked', keyId: id, reason: 'leaked' }]);
    expect(authority.texts.join()).not.toContain(key.slice(-49));
  });

  it('by id alone is for those who could revoke it, and by text for anybody', async () => {
    const { authority, key, id, stored } = await withKey({ orgId: 'acme' });
    const other = { via: 'api', keyId: 'Oper1234', orgId: 'other' } as const;
    await reportLeak(authority, { id }, other);
    expect(stored().revokedAt).toBeUndefined();
    await reportLeak(authority, { key }, other);
    expect(stored().revokedReason).toBe('leaked');
  });

  it('of a secret that a rotation ended ends nothing; of one that still works it does', async () => {
    const { authority, key, id, stored } = await withKey();
    const second = await rotate(authority, id, { overlap: '1h' }, by);
    authority.advance(3_600_000);
    await reportLeak(authority, { key }, by);
    expect(stored().revokedAt).toBeUndefined();
    await rotate(authority, id, { overlap: '1h' }, by);
    await reportLeak(authority, { key: second.key }, by);
    expect(stored().revokedReason).toBe('leaked');
  });

  it('finds keys under an older pepper', async () => {
    const { authority, key, stored } = await withKey();
    const turned = { ...authority, keys: { ...authority.keys, peppers: ['a-pepper-that-came-after-a-pepper', ...authority.keys.peppers] } };
    await reportLeak(turned, { key }, by);
    expect(stored().revokedReason).toBe('leaked');
  });

  it.each([[{}], [{ key: 'x', id: 'y' }], [{ key: 5 }], [{ id: {} }]])('needs one of key and id: %j', async (report) => {
    await expect(reportLeak(createMemoryAuthority(), report, by)).rejects.toThrow(RequestProblems);
  });
});

describe('the announcement of ends', () => {
  const withOnce = (authority: MemoryAuthority) => {
    const used = new Set<string>();
    const ledger = {
      ...authority.ledger,
      useOnce: async ({ id }: { id: string }) => {
        if (used.has(id)) return false;
        used.add(id);
        return true;
      },
    };
    return { ...authority, ledger };
  };

  it('comes once for each key and threshold, however often it is looked for', async () => {
    const { authority, id } = await withKey({ ttl: '30d', owner: 'Ada' });
    const watched = withOnce(authority);
    const announced = async (afterMs: number): Promise<number> => {
      authority.advance(afterMs);
      const counts = [await announceExpiring(watched), await announceExpiring(watched)];
      expect(counts[1]).toBe(0);
      return counts[0] ?? 0;
    };
    expect(await announced(22 * dayMs)).toBe(0);
    expect(await announced(dayMs)).toBe(1);
    expect(await announced(5 * dayMs)).toBe(0);
    expect(await announced(dayMs)).toBe(1);
    expect(await announced(dayMs)).toBe(0);
    expect(journal(authority).map(({ kind, keyId, within, owner }) => [kind, keyId, within, owner])).toEqual([
      ['key.expiring', id, '7d', 'Ada'],
      ['key.expiring', id, '1d', 'Ada'],
    ]);
  });

  it('leaves out short lives, dead keys and keys without an end', async () => {
    const { authority, id } = await withKey({ ttl: '8d' }, { expiry: { required: false } });
    await mint(authority, { name: 'short life', scopes: ['read'], ttl: '12h' }, by);
    await mint(authority, { name: 'no end', scopes: ['read'], ttl: 'never' }, by);
    authority.advance(1.5 * dayMs);
    await revoke(authority, id, { by });
    expect(await announceExpiring(withOnce(authority))).toBe(0);
  });

  it('comes anew for a life that was prolonged', async () => {
    const { authority, id } = await withKey({ ttl: '8d' });
    const watched = withOnce(authority);
    authority.advance(2 * dayMs);
    expect(await announceExpiring(watched)).toBe(1);
    await patch(authority, id, { ttl: '20d' }, by);
    expect(await announceExpiring(watched)).toBe(0);
    authority.advance(14 * dayMs);
    expect(await announceExpiring(watched)).toBe(1);
  });
});

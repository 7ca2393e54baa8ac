import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from './world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const body = { name: 'nightly wiki reader', scopes: ['read:up'] };
const mint = (header: string, more: Record<string, unknown> = {}, key?: string) =>
  world.ask('POST', '/keys/mint', {
    body: { ...body, ...more },
    headers: { 'idempotency-key': header },
    ...(key === undefined ? {} : { key }),
  });
const minted = async () => (await world.gateway.journal('key.minted')).length;

describe('A30: an Idempotency-Key', () => {
  it('makes a repeat give the first answer without the key, and without a second effect', async () => {
    const first = await mint('one');
    const before = await minted();
    const again = await mint('one');
    expect(first).toMatchObject({ status: 201, json: { key: expect.stringMatching(/^kg_live_/) } });
    expect(first.json.replayed).toBeUndefined();
    expect(again.status).toBe(201);
    expect(again.json).toEqual({ ...first.json, key: null, replayed: true });
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(await minted()).toBe(before);
  });

  it('refuses another body', async () => {
    await mint('two');
    expect(await mint('two', { name: 'another wiki reader' })).toMatchObject({ status: 422, json: { reason: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it('lets one of many at once through', async () => {
    const before = await minted();
    const told = await Promise.all(Array.from({ length: 8 }, () => mint('three')));
    expect(await minted()).toBe(before + 1);
    const made = told.filter(({ json }) => typeof json.key === 'string');
    expect(made).toHaveLength(1);
    for (const { status, json } of told.filter((each) => !made.includes(each))) {
      expect(status === 201 ? json.replayed : json.reason).toBe(status === 201 ? true : 'IDEMPOTENCY_KEY_RUNNING');
    }
  });

  it('belongs to the caller and the path', async () => {
    const other = await world.key({ kind: 'operator', scopes: ['manage'], orgId: 'globex' });
    const first = await mint('four');
    const theirs = await mint('four', {}, other.key);
    expect(theirs).toMatchObject({ status: 201, json: { orgId: 'globex', key: expect.stringMatching(/^kg_live_/) } });
    const elsewhere = await world.ask('POST', `/keys/${first.json.id}/rotate`, { headers: { 'idempotency-key': 'four' } });
    expect(elsewhere).toMatchObject({ status: 200, json: { key: expect.stringMatching(/^kg_live_/) } });
  });

  it('may be used again after a refusal, which had no effect', async () => {
    expect((await mint('five', { surprising: 1 })).status).toBe(422);
    expect((await mint('five', { upstreams: ['nowhere'] })).status).toBe(422);
    expect((await mint('five')).status).toBe(201);
  });

  it('does not make a check answer with what was once true', async () => {
    const { key, id } = await world.key();
    const verify = () => world.ask('POST', '/keys/verify', { body: { key }, headers: { 'idempotency-key': 'six' } });
    expect((await verify()).json.valid).toBe(true);
    await world.ask('POST', `/keys/${id}/revoke`);
    expect((await verify()).json).toMatchObject({ valid: false, reason: 'TOKEN_REVOKED' });
  });

  it('never brings a secret into the store', async () => {
    const { json } = await world.ask('POST', '/token', { headers: { 'idempotency-key': 'seven' } });
    const again = await world.ask('POST', '/token', { headers: { 'idempotency-key': 'seven' } });
    expect(json.accessToken).toMatch(/^ey/);
    expect(again.json).toEqual({ ...json, accessToken: null, replayed: true });
  });
});

import { describe, expect, it } from 'vitest';
import { createKnownCallers } from '../../../src/adapters/callers/known-callers.ts';
import { composeKey, digestKey } from '../../../src/domain/credential.ts';
import type { KeyRecord } from '../../../src/domain/key.ts';
import { steppedClock, testKey } from '../../ports/subject.ts';

const [oldPepper, newPepper] = ['an-old-pepper-an-old-pepper-an-old', 'a-new-pepper-a-new-pepper-a-new-pep'];
const text = composeKey({ prefix: 'kg', environment: 'live', id: 'ABCD1234', secret: Buffer.alloc(32, 7) });
const other = composeKey({ prefix: 'kg', environment: 'live', id: 'ABCD1234', secret: Buffer.alloc(32, 8) });

/** One key whose text was good once, so that from then on it is found by its SHA-256, and whatever may change after. */
async function proven(more: Partial<KeyRecord> = {}) {
  const now = { prefix: 'kg', peppers: [oldPepper], epoch: 1, deaf: false, reads: 0 };
  const record = (changes: Partial<KeyRecord>) =>
    testKey('ABCD1234', { digests: [{ digest: digestKey(text, oldPepper), pepperId: 'p1' }], ...changes });
  let stored: KeyRecord | undefined = record(more);
  const clock = steppedClock();
  const read = async (matches: boolean): Promise<KeyRecord | undefined> => {
    now.reads += 1;
    return matches ? stored : undefined;
  };
  const callers = createKnownCallers({
    keyring: {
      byDigest: (digest) => read(stored?.digests.some((each) => each.digest === digest) ?? false),
      get: (id) => read(stored?.id === id),
      epoch: () => now.epoch,
      changedAt: () => (now.deaf ? Number.POSITIVE_INFINITY : now.epoch),
    },
    prefix: () => now.prefix,
    peppers: () => now.peppers,
    order: { hierarchy: ['read', 'trade', 'manage'] },
    limits: { callersMax: 100, unknownMax: 100 },
    trust: { issuer: () => 'http://127.0.0.1', jwks: () => ({ keys: [] }), clock },
  });
  expect((await callers.byKey(text))?.key.id).toBe('ABCD1234');
  now.reads = 0;
  return {
    ...{ callers, clock, now },
    change(changes: Partial<KeyRecord> | undefined) {
      stored = changes && record(changes);
      now.epoch += 1;
    },
  };
}

describe('a key that was good before', () => {
  it('costs no read', async () => {
    const { callers, now } = await proven();
    expect(await callers.byKey(text)).toBeDefined();
    expect(now.reads).toBe(0);
  });

  it('is judged by its newest record', async () => {
    const { callers, change } = await proven();
    change({ revision: 2, revokedAt: 1 });
    expect((await callers.byKey(text))?.key).toMatchObject({ revision: 2, revokedAt: 1 });
    change(undefined);
    expect(await callers.byKey(text)).toBeUndefined();
  });

  it('is gone with its secret, by another record or at its end', async () => {
    const rotated = await proven();
    rotated.change({ revision: 2, digests: [{ digest: digestKey(other, oldPepper), pepperId: 'p1' }] });
    expect(await rotated.callers.byKey(text)).toBeUndefined();
    expect(await rotated.callers.byKey(other)).toBeDefined();
    const { callers, clock } = await proven({
      digests: [{ digest: digestKey(text, oldPepper), pepperId: 'p1', until: steppedClock().now() + 10 }],
    });
    clock.step(10);
    expect(await callers.byKey(text)).toBeUndefined();
  });

  it('is read anew where nobody knows what has changed', async () => {
    const { callers, now } = await proven();
    now.deaf = true;
    expect(await callers.byKey(text)).toBeDefined();
    expect(now.reads).toBeGreaterThan(0);
  });

  it('is unknown once the pepper of its digest is gone, and known by whichever pepper is there', async () => {
    const { callers, now, change } = await proven();
    now.peppers = [newPepper, oldPepper];
    expect(await callers.byKey(text)).toBeDefined();
    now.peppers = [newPepper];
    expect(await callers.byKey(text)).toBeUndefined();
    change({ revision: 2, digests: [{ digest: digestKey(text, newPepper), pepperId: 'p2' }] });
    expect(await callers.byKey(text)).toBeDefined();
  });

  it('is none once the prefix is another', async () => {
    const { callers, now } = await proven();
    now.prefix = 'other';
    expect(await callers.byKey(text)).toBeUndefined();
  });

  it.each([
    ['another secret', other],
    ['one letter more', `${text}A`],
    ['one letter less', text.slice(0, -1)],
    ['other cases', text.toUpperCase()],
    ['a space', `${text} `],
  ])('says nothing about %s', async (_what, asked) => {
    const { callers } = await proven();
    expect(await callers.byKey(asked)).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { createKnownCallers } from '../../../src/adapters/callers/known-callers.ts';
import { composeKey, digestKey } from '../../../src/domain/credential.ts';
import type { KeyRecord } from '../../../src/domain/key.ts';
import type { Keyring } from '../../../src/ports/keyring.ts';
import { steppedClock, testKey } from '../../ports/subject.ts';

const pepper = 'a-pepper-a-pepper-a-pepper-a-pepper';
const textOf = (id: string) => composeKey({ prefix: 'kg', environment: 'live', id, secret: Buffer.alloc(32, 7) });
const record = (id: string, more: Partial<KeyRecord> = {}) =>
  testKey(id, { digests: [{ digest: digestKey(textOf(id), pepper), pepperId: 'p1' }], ...more });

/** Known callers over records that change, where this process hears of changes only when it is told. Every read can be held up. */
function prepare(...records: KeyRecord[]) {
  const stored = new Map(records.map((each) => [each.id, each]));
  const changed = new Map<string, number>();
  const reads: string[] = [];
  let epoch = 1;
  let deaf = false;
  let gate: Promise<void> | undefined;
  const read = async (what: string, find: () => KeyRecord | undefined): Promise<KeyRecord | undefined> => {
    reads.push(what);
    const found = find();
    await gate;
    return found;
  };
  const keyring: Pick<Keyring, 'byDigest' | 'get' | 'epoch' | 'changedAt'> = {
    byDigest: (digest) => read('digest', () => [...stored.values()].find(({ digests }) => digests.some((each) => each.digest === digest))),
    get: (id) => read(id, () => stored.get(id)),
    epoch: () => epoch,
    changedAt: (ids) => (deaf ? Number.POSITIVE_INFINITY : Math.max(0, ...ids.map((id) => changed.get(id) ?? 0))),
  };
  const clock = steppedClock();
  const callers = createKnownCallers({
    keyring,
    prefix: () => 'kg',
    peppers: () => [pepper],
    order: { hierarchy: ['read', 'trade', 'manage'] },
    limits: { callersMax: 100, unknownMax: 2 },
    trust: { issuer: () => 'http://127.0.0.1', jwks: () => ({ keys: [] }), clock },
  });
  return {
    callers,
    reads,
    /** The store has it; nobody has told us. */
    put: (each: KeyRecord) => void stored.set(each.id, each),
    hear(...ids: string[]) {
      epoch += 1;
      for (const id of ids) changed.set(id, epoch);
    },
    setDeaf(now: boolean) {
      deaf = now;
    },
    fail(error: Error) {
      gate = Promise.reject(error);
      gate.catch(() => undefined);
      return () => {
        gate = undefined;
      };
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return () => {
        gate = undefined;
        resolve();
      };
    },
  };
}

const revisionOf = async (found: ReturnType<ReturnType<typeof prepare>['callers']['byKey']>) => (await found)?.key.revision;

describe('a known caller', () => {
  it('costs no read, and is there with the next microtask', async () => {
    const { callers, reads } = prepare(record('ABCD1234'));
    await callers.byKey(textOf('ABCD1234'));
    reads.length = 0;
    const order: string[] = [];
    const asked = Promise.resolve(callers.byKey(textOf('ABCD1234'))).then(() => order.push('caller'));
    const ticks = Promise.resolve()
      .then(() => order.push('one'))
      .then(() => order.push('two'));
    await Promise.all([asked, ticks]);
    expect(order).toEqual(['caller', 'one', 'two']);
    expect(reads).toEqual([]);
  });

  it('is read anew once a change of it was heard, and not for a change of another key', async () => {
    const { callers, reads, put, hear } = prepare(record('ABCD1234'), record('OTHER000'));
    await callers.byKey(textOf('ABCD1234'));
    put(record('ABCD1234', { revision: 2 }));
    hear('OTHER000');
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(1);
    expect(reads).toEqual(['digest']);
    hear('ABCD1234');
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(2);
    expect(await revisionOf(callers.byId('ABCD1234'))).toBe(2);
    expect(reads).toEqual(['digest', 'digest']);
  });

  it('I7: is read anew once a change of an ancestor was heard', async () => {
    const { callers, put, hear } = prepare(record('ABCD1234', { parentIds: ['PARENT00'] }), record('PARENT00', { scopes: ['read'] }));
    expect((await callers.byKey(textOf('ABCD1234')))?.grants('read')).toBe(true);
    put(record('PARENT00', { scopes: [], revision: 2 }));
    hear('PARENT00');
    expect((await callers.byKey(textOf('ABCD1234')))?.grants('read')).toBe(false);
  });

  it('that was being read when a change of it was heard is read again', async () => {
    const { callers, put, hear, hold } = prepare(record('ABCD1234'));
    const go = hold();
    const early = callers.byKey(textOf('ABCD1234'));
    put(record('ABCD1234', { revision: 2 }));
    hear('ABCD1234');
    go();
    expect(await revisionOf(early)).toBe(1);
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(2);
  });

  it('is read each time while nobody can say what has changed', async () => {
    const { callers, reads, put, setDeaf } = prepare(record('ABCD1234'));
    await callers.byKey(textOf('ABCD1234'));
    setDeaf(true);
    put(record('ABCD1234', { revision: 2 }));
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(2);
    put(record('ABCD1234', { revision: 3 }));
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(3);
    setDeaf(false);
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(3);
    expect(reads).toHaveLength(3);
  });
});

describe('an unknown key', () => {
  it('is asked for once, and again when anything has changed', async () => {
    const { callers, reads, put, hear } = prepare();
    for (let time = 0; time < 3; time += 1) expect(await callers.byKey(textOf('ABCD1234'))).toBeUndefined();
    expect(reads).toHaveLength(1);
    put(record('ABCD1234'));
    hear('ABCD1234');
    expect(await callers.byKey(textOf('ABCD1234'))).toBeDefined();
    expect(reads).toHaveLength(2);
  });

  it('pushes out no caller, however many there are', async () => {
    const { callers, reads } = prepare(record('ABCD1234'));
    await callers.byKey(textOf('ABCD1234'));
    for (let at = 0; at < 150; at += 1) await callers.byKey(textOf(`NONE${String(at).padStart(4, '0')}`));
    reads.length = 0;
    await callers.byKey(textOf('ABCD1234'));
    expect(reads).toEqual([]);
  });
});

describe('many at once', () => {
  it('who ask for one cold key ask the store once', async () => {
    const { callers, reads, hold } = prepare(record('ABCD1234', { parentIds: ['PARENT00'] }), record('PARENT00'));
    const go = hold();
    const asked = Array.from({ length: 500 }, () => callers.byKey(textOf('ABCD1234')));
    go();
    expect(new Set((await Promise.all(asked)).map((caller) => caller?.key.id))).toEqual(new Set(['ABCD1234']));
    expect(reads).toEqual(['digest', 'PARENT00']);
  });

  it('who asked after a change was heard get no answer from before it, and ask once more together', async () => {
    const { callers, reads, put, hear, hold } = prepare(record('ABCD1234'));
    const go = hold();
    const early = callers.byKey(textOf('ABCD1234'));
    put(record('ABCD1234', { revision: 2 }));
    hear('ABCD1234');
    const late = Array.from({ length: 100 }, () => revisionOf(callers.byKey(textOf('ABCD1234'))));
    go();
    await early;
    expect(new Set(await Promise.all(late))).toEqual(new Set([2]));
    expect(reads).toHaveLength(2);
  });

  it('get no answer that is older than their question while nobody can say what has changed', async () => {
    const { callers, reads, put, setDeaf, hold } = prepare(record('ABCD1234'));
    setDeaf(true);
    const go = hold();
    const early = callers.byKey(textOf('ABCD1234'));
    put(record('ABCD1234', { revision: 2 }));
    const late = Array.from({ length: 100 }, () => revisionOf(callers.byKey(textOf('ABCD1234'))));
    go();
    expect(await revisionOf(early)).toBe(1);
    expect(new Set(await Promise.all(late))).toEqual(new Set([2]));
    expect(reads).toHaveLength(2);
  });

  it('are all refused where the store does not answer, and whoever asks then finds it again', async () => {
    const { callers, reads, fail } = prepare(record('ABCD1234'));
    const mended = fail(new Error('the store does not answer'));
    const answers = await Promise.allSettled(Array.from({ length: 3 }, () => callers.byKey(textOf('ABCD1234'))));
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(reads).toHaveLength(1);
    mended();
    expect(await callers.byKey(textOf('ABCD1234'))).toBeDefined();
  });
});

describe('again', () => {
  it('finds a change that nobody has told of, since whoever asks has met it', async () => {
    const { callers, put } = prepare(record('ABCD1234'));
    const caller = await callers.byKey(textOf('ABCD1234'));
    if (!caller) throw new Error('no caller');
    put(record('ABCD1234', { revision: 2 }));
    expect(await revisionOf(callers.byKey(textOf('ABCD1234')))).toBe(1);
    expect(await revisionOf(callers.again(caller))).toBe(2);
  });

  it('costs no read where something newer is known already', async () => {
    const { callers, reads, put, hear } = prepare(record('ABCD1234'));
    const caller = await callers.byKey(textOf('ABCD1234'));
    if (!caller) throw new Error('no caller');
    put(record('ABCD1234', { revision: 2 }));
    hear('ABCD1234');
    await callers.byKey(textOf('ABCD1234'));
    reads.length = 0;
    expect(await revisionOf(callers.again(caller))).toBe(2);
    expect(reads).toEqual([]);
  });
});

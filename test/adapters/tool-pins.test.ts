import { describe, expect, it } from 'vitest';
import { createToolPins } from '../../src/adapters/tool-pins/tool-pins.ts';
import type { PinTerms } from '../../src/domain/tool-pin.ts';
import type { Pins } from '../../src/ports/pins.ts';
import type { PinnedUpstream } from '../../src/ports/tool-pins.ts';
import { plainCalendar, recordsOf, steppedClock, testSigner } from '../ports/subject.ts';
import { openMemoryStore } from '../support/memory-store.ts';

const terms: PinTerms = { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'quarantine', wording: 'report' } };
const up: PinnedUpstream = { name: 'up', annotated: true, pinning: terms, ruleFor: () => undefined };
const tool = (name: string, more: object = {}) => ({ name, bytes: Buffer.from(JSON.stringify({ name, ...more })) });
const changed = { state: 'quarantined', cause: 'changed' };

/** Gateways on one store, with a clock that is stepped. */
function prepare() {
  const clock = steppedClock();
  const store = openMemoryStore({ clock, calendar: plainCalendar, signer: testSigner() });
  const seen = { revisions: 0, reads: 0, looks: 0, faults: 0 };
  const silent = { now: false };
  const counted: Pins = {
    ...store.pins,
    async revision(upstream) {
      seen.revisions += 1;
      if (silent.now) throw new Error('the store is silent');
      return store.pins.revision(upstream);
    },
    async of(upstream) {
      seen.reads += 1;
      return store.pins.of(upstream);
    },
    async put(request) {
      if (silent.now) throw new Error('the store is silent');
      return store.pins.put(request);
    },
  };
  const log = {
    note: () => undefined,
    warn: () => undefined,
    fault: () => {
      seen.faults += 1;
    },
  };
  const gateway = (look?: (upstream: string) => Promise<void>) =>
    createToolPins({ pins: counted, duties: store.duties, clock, log, ...(look && { look }) });
  const records = async () => (await recordsOf(store.journal)).map(({ kind }) => kind);
  return { clock, store, seen, silent, gateway, records };
}

describe('a copy of the pins', () => {
  it('is asked about once a second, read only when something changed, and never used when it is two seconds old', async () => {
    const { clock, seen, gateway } = prepare();
    const pins = gateway();
    await pins.looked(up, [tool('pay')]);
    await pins.ready(up);
    const before = { ...seen };
    for (let n = 0; n < 50; n += 1) expect(pins.heldBack(up, 'pay')).toBeUndefined();
    expect(seen).toEqual(before);
    clock.step(1_000);
    expect(pins.heldBack(up, 'pay')).toBeUndefined();
    expect(seen).toEqual({ ...before, revisions: before.revisions + 1 });
    await pins.ready(up);
    clock.step(2_000);
    expect(pins.heldBack(up, 'pay')).toBeInstanceOf(Promise);
  });

  it('of another replica knows a change within two seconds, whatever that one saw', async () => {
    const { clock, gateway } = prepare();
    const [one, other] = [gateway(), gateway()];
    await one.looked(up, [tool('pay')]);
    expect(await other.heldBack(up, 'pay')).toBeUndefined();
    await one.looked(up, [tool('pay', { inputSchema: {} })]);
    expect(one.heldBack(up, 'pay')).toEqual(changed);
    clock.step(2_000);
    expect(await other.heldBack(up, 'pay')).toEqual(changed);
  });

  it('says nothing where the store is silent for longer (I6)', async () => {
    const { clock, silent, gateway } = prepare();
    const pins = gateway();
    silent.now = true;
    await expect(pins.ready(up)).rejects.toThrow('silent');
    await expect(pins.heldBack(up, 'pay')).rejects.toThrow('silent');
    expect(() => pins.sight(up, [tool('pay')])).toThrow('nothing is known');
    silent.now = false;
    await pins.ready(up);
    silent.now = true;
    clock.step(1_999);
    expect(pins.heldBack(up, 'pay')).toBeUndefined();
    clock.step(1);
    await expect(pins.heldBack(up, 'pay')).rejects.toThrow('silent');
  });
});

describe('what is seen', () => {
  it('counts at once, and is written although the store was silent then', async () => {
    const { clock, silent, seen, gateway, records } = prepare();
    const pins = gateway();
    await pins.looked(up, [tool('pay'), tool('look')]);
    silent.now = true;
    expect([...pins.sight(up, [tool('pay', { inputSchema: {} }), tool('look')])]).toEqual(['look']);
    expect(pins.heldBack(up, 'pay')).toEqual(changed);
    await pins.close();
    expect(seen.faults).toBe(1);
    expect(pins.heldBack(up, 'pay')).toEqual(changed);
    silent.now = false;
    await pins.close();
    clock.step(500);
    expect(pins.heldBack(up, 'pay')).toEqual(changed);
    await pins.close();
    expect(await records()).toEqual(['tool.pinned', 'tool.pinned', 'tool.quarantined']);
  });

  it('in the same list again is what it was, until the store says otherwise', async () => {
    const { clock, gateway, records } = prepare();
    const [pins, other] = [gateway(), gateway()];
    await pins.looked(up, [tool('pay'), tool('look')]);
    const listed = [tool('pay'), tool('look')];
    const shown = pins.sight(up, listed);
    expect([...shown]).toEqual(['pay', 'look']);
    expect(pins.sight(up, listed)).toBe(shown);
    // Another list in between, with something new in it, and the first again: judged by what was seen meanwhile.
    expect([...pins.sight(up, [tool('pay', { inputSchema: {} }), tool('look')])]).toEqual(['look']);
    expect([...pins.sight(up, listed)]).toEqual(['pay', 'look']);
    await pins.close();
    expect(await records()).toEqual(['tool.pinned', 'tool.pinned', 'tool.quarantined', 'tool.changed']);
    const again = pins.sight(up, listed);
    // What another replica sees counts as soon as the store was read again.
    await other.looked(up, [tool('pay', { inputSchema: {} })]);
    clock.step(2_000);
    await pins.ready(up);
    expect(pins.sight(up, listed)).not.toBe(again);
    // The same list under other terms.
    expect([...pins.sight({ ...up, annotated: false, ruleFor: () => undefined }, listed)]).toEqual([]);
  });

  it('by many replicas at once is written by one', async () => {
    const { gateway, records } = prepare();
    const many = Array.from({ length: 8 }, () => gateway());
    await Promise.all(many.map((pins) => pins.looked(up, [tool('pay')])));
    expect(await records()).toEqual(['tool.pinned']);
    await Promise.all(many.map((pins) => pins.refresh('up')));
    await Promise.all(many.map((pins) => pins.looked(up, [tool('pay', { annotations: { readOnlyHint: true } })])));
    expect(await records()).toEqual(['tool.pinned', 'tool.quarantined']);
  });

  it('first by two replicas and different is not pinned twice', async () => {
    const { gateway, records } = prepare();
    const [one, other] = [gateway(), gateway()];
    await Promise.all([one.ready(up), other.ready(up)]);
    await Promise.all([
      one.looked(up, [tool('pay', { inputSchema: { a: 1 } })]),
      other.looked(up, [tool('pay', { inputSchema: { a: 2 } })]),
    ]);
    expect(await records()).toEqual(['tool.pinned', 'tool.quarantined']);
    await Promise.all([one.refresh('up'), other.refresh('up')]);
    expect([one.heldBack(up, 'pay'), other.heldBack(up, 'pay')]).toEqual([changed, changed]);
  });

  it('beyond two thousand tools is hidden and refused (A61)', async () => {
    const { gateway, records } = prepare();
    const pins = gateway();
    await pins.ready(up);
    const many = Array.from({ length: 2_100 }, (_, n) => tool(`t${n}`));
    expect(pins.sight(up, many).size).toBe(2_000);
    await pins.close();
    expect((await records()).length).toBe(2_000);
    expect([...pins.sight(up, [tool('one more'), tool('t7')])]).toEqual(['t7']);
    expect(pins.heldBack(up, 'one more')).toEqual({ state: 'quarantined', cause: 'too-many' });
    expect(pins.heldBack(up, 't7')).toBeUndefined();
    expect(pins.heldBack(up, 'x'.repeat(600))).toMatchObject({ state: 'quarantined' });
  });
});

describe("the gateway's own look", () => {
  it('is made once a minute while tools are called, not with the first call, and whoever calls an unseen tool waits for it', async () => {
    const { clock, seen, gateway } = prepare();
    const listed = { tools: [tool('pay'), tool('pay')] };
    const pins: ReturnType<typeof gateway> = gateway(async () => {
      seen.looks += 1;
      await pins.looked(up, listed.tools);
    });
    expect(await pins.heldBack(up, 'pay')).toBeUndefined();
    expect(seen.looks).toBe(0);
    clock.step(60_000);
    const duplicate = { state: 'quarantined', cause: 'duplicate' };
    expect(await Promise.all([pins.heldBack(up, 'pay'), pins.heldBack(up, 'pay')])).toEqual([duplicate, duplicate]);
    expect(await pins.heldBack(up, 'never listed')).toBeUndefined();
    expect(seen.looks).toBe(1);
    clock.step(59_999);
    await pins.heldBack(up, 'pay');
    expect(seen.looks).toBe(1);
    listed.tools = [tool('pay')];
    clock.step(1);
    await pins.heldBack(up, 'pay');
    // One that has no pin yet waits for the look that runs.
    expect(await pins.heldBack(up, 'another')).toBeUndefined();
    expect(seen.looks).toBe(2);
    expect(pins.heldBack(up, 'pay')).toBeUndefined();
  });

  it('that fails refuses nothing at first sight, and everything unseen where approval is needed', async () => {
    const { gateway } = prepare();
    const pins = gateway(() => Promise.reject(new Error('the upstream is down')));
    expect(await pins.heldBack(up, 'pay')).toBeUndefined();
    const approving = { ...up, pinning: { ...terms, mode: 'approve' } as const };
    expect(pins.heldBack(approving, 'pay')).toEqual({ state: 'pending', cause: 'unapproved' });
  });
});

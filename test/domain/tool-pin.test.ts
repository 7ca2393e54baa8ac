import { describe, expect, it } from 'vitest';
import { readSighting, type Sighting } from '../../src/domain/tool-definition.ts';
import { approved, heldBack, judgeSighting, type PinTerms, quarantined, type ToolPin } from '../../src/domain/tool-pin.ts';

const terms: PinTerms = { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'quarantine', wording: 'report' } };
const approving: PinTerms = { ...terms, mode: 'approve' };
const see = (more: object = {}): Sighting => readSighting(Buffer.from(JSON.stringify({ name: 'pay', description: 'Pays', ...more })));
const first = see();
const reworded = see({ description: 'Pays.' });
const reshaped = see({ inputSchema: { type: 'object' } });
const minute = 60_000;

/** A tool that is listed again and again, a minute and a bit apart. */
function life(own: PinTerms = terms) {
  let pin: ToolPin | undefined;
  let now = 0;
  let under = own;
  return {
    see(sighting: Sighting, after = minute + 1) {
      now += after;
      const judged = judgeSighting(pin, sighting, { upstream: 'up', tool: 'pay', terms: under, now });
      pin = judged.pin;
      return [judged.event, pin.state, pin.cause];
    },
    approve: () => {
      pin = approved(life.of(pin), { now, by: 'AAAAAAAA' });
    },
    takeAway: () => {
      pin = quarantined(life.of(pin), { now });
    },
    under(next: PinTerms) {
      under = next;
    },
    get pin() {
      return life.of(pin);
    },
    get held() {
      return heldBack(pin, under);
    },
  };
}
life.of = (pin: ToolPin | undefined): ToolPin => {
  if (!pin) throw new Error('nothing was seen');
  return pin;
};

describe('at first sight', () => {
  it('a tool is pinned once, and stays what it is', () => {
    const tool = life();
    expect(tool.held).toBeUndefined();
    expect(tool.see(first)).toEqual(['tool.pinned', 'pinned', undefined]);
    expect(tool.see(first)).toEqual([undefined, 'pinned', undefined]);
    expect(tool.pin).toMatchObject({ revision: 1, restored: 0, pinned: { whole: first.definition.whole } });
    expect(tool.held).toBeUndefined();
  });

  it('another wording is reported once and passes; what is pinned stays', () => {
    const tool = life();
    tool.see(first);
    expect(tool.see(reworded)).toEqual(['tool.reported', 'pinned', undefined]);
    expect(tool.see(reworded)).toEqual([undefined, 'pinned', undefined]);
    expect(tool.see(see({ description: 'Pays!' }))).toEqual(['tool.reported', 'pinned', undefined]);
    expect(tool.pin.pinned?.whole).toBe(first.definition.whole);
    expect(tool.see(first)).toEqual(['tool.changed', 'pinned', undefined]);
    expect(tool.pin.seen).toBeUndefined();
  });

  it.each([
    ['schema', reshaped],
    ['annotations', see({ annotations: { readOnlyHint: true } })],
    ['schema and wording together', see({ inputSchema: {}, description: 'x' })],
  ])('a change of its %s holds it back, at once', (_part, sighting) => {
    const tool = life();
    tool.see(first);
    tool.see(reworded);
    expect(tool.see(sighting, 1)).toEqual(['tool.quarantined', 'quarantined', 'changed']);
    expect(tool.held).toEqual({ state: 'quarantined', cause: 'changed' });
    expect(tool.see(sighting)).toEqual([undefined, 'quarantined', 'changed']);
    tool.approve();
    expect(tool.held).toBeUndefined();
    expect(tool.see(sighting)).toEqual([undefined, 'pinned', undefined]);
    expect(tool.see(first)).toEqual(['tool.quarantined', 'quarantined', 'changed']);
  });

  it('a change back ends the quarantine, but not for ever', () => {
    const tool = life();
    tool.see(first);
    for (let n = 1; n <= 3; n += 1) {
      expect(tool.see(reshaped, 1)).toEqual(['tool.quarantined', 'quarantined', 'changed']);
      expect(tool.see(first, 1)).toEqual(['tool.changed', 'pinned', undefined]);
    }
    expect(tool.see(reshaped, 1)).toEqual(['tool.quarantined', 'quarantined', 'changed']);
    expect(tool.see(first, 1)).toEqual(['tool.quarantined', 'quarantined', 'restless']);
    expect(tool.see(first)).toEqual([undefined, 'quarantined', 'restless']);
    tool.approve();
    expect([tool.held, tool.pin.restored]).toEqual([undefined, 0]);
  });

  it.each([
    ['is quarantined', (n: number) => see({ inputSchema: { n } }), 'tool.changed'],
    ['only says it in other words', (n: number) => see({ description: `Pays ${n}` }), 'tool.reported'],
  ])('a tool that changes at every look and %s is written down twenty times a minute', (_name, look, told) => {
    const tool = life();
    tool.see(first);
    tool.see(look(0));
    const events = Array.from({ length: 600 }, (_, n) => tool.see(look(n + 1), 100)[0]);
    expect(events.filter((event) => event !== undefined)).toEqual(Array(20).fill(told));
  });

  it('what a person took away comes back by a person alone', () => {
    const tool = life();
    tool.see(first);
    tool.takeAway();
    expect(tool.held).toEqual({ state: 'quarantined', cause: 'manual' });
    expect(tool.see(reshaped)).toEqual(['tool.changed', 'quarantined', 'manual']);
    expect(tool.see(first)).toEqual(['tool.changed', 'quarantined', 'manual']);
    tool.approve();
    expect(tool.held).toBeUndefined();
  });

  it.each(['duplicate', 'param-header', 'too-large'] as const)(
    'what is listed wrongly (%s) is held back until it is listed rightly',
    (fault) => {
      const unseen = life();
      expect(unseen.see({ ...first, fault })).toEqual(['tool.quarantined', 'quarantined', fault]);
      expect(unseen.see(first)).toEqual(['tool.pinned', 'pinned', undefined]);
      expect(unseen.pin.restored).toBe(0);
      expect(unseen.see({ ...first, fault })).toEqual(['tool.quarantined', 'quarantined', fault]);
      expect(unseen.see(first)).toEqual(['tool.changed', 'pinned', undefined]);
    },
  );
});

describe('with approval', () => {
  it('nothing passes before it, not even unseen, and the definition that is reviewed may change', () => {
    const tool = life(approving);
    expect(tool.held).toEqual({ state: 'pending', cause: 'unapproved' });
    expect(tool.see(first)).toEqual(['tool.quarantined', 'pending', 'unapproved']);
    expect(tool.see(reshaped)).toEqual(['tool.changed', 'pending', 'unapproved']);
    expect(tool.held).toEqual({ state: 'pending', cause: 'unapproved' });
    tool.approve();
    expect(tool.pin).toMatchObject({ pinned: { whole: reshaped.definition.whole }, approvedBy: 'AAAAAAAA', state: 'pinned' });
    expect(tool.held).toBeUndefined();
    expect(tool.see(first)).toEqual(['tool.quarantined', 'quarantined', 'changed']);
  });

  it('a tool that was pinned at first sight needs it as soon as the terms ask for it', () => {
    const tool = life();
    tool.see(first);
    tool.under(approving);
    expect(tool.held).toEqual({ state: 'pending', cause: 'unapproved' });
    expect(tool.see(first)).toEqual(['tool.quarantined', 'pending', 'unapproved']);
    tool.under(terms);
    expect(tool.see(first)).toEqual(['tool.pinned', 'pinned', undefined]);
  });
});

describe('other terms', () => {
  it('a reported change is held back once it counts', () => {
    const tool = life({ ...terms, onChange: { ...terms.onChange, schema: 'report' } });
    tool.see(first);
    expect(tool.see(reshaped)).toEqual(['tool.reported', 'pinned', undefined]);
    tool.under(terms);
    expect(tool.held).toEqual({ state: 'quarantined', cause: 'changed' });
  });

  it('off says nothing', () => {
    const tool = life();
    tool.see(first);
    tool.see(reshaped);
    tool.under({ ...terms, mode: 'off' });
    expect(tool.held).toBeUndefined();
  });
});

import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSeal } from '../../src/domain/seal.ts';

const secrets = ['s'.repeat(40)];
const seal = createSeal({ secrets, random: randomBytes });
const bound = ['key', 'upstream:up', 'up', ''];
const purposes = ['session', 'event', 'request', 'totp', 'task', 'state'] as const;

describe.each(purposes)('a text sealed as %s', (purpose) => {
  it.each(['', 'plain', 'ünï\n"', 'x'.repeat(2_000)])('opens to %j', (plain) => {
    expect(seal.open({ purpose, bound, sealed: seal.seal({ purpose, bound, plain }) })).toBe(plain);
  });

  it('opens for no other purpose, binding or secret, and in no other spelling', () => {
    const sealed = seal.seal({ purpose, bound, plain: 'p1' });
    for (const other of purposes) if (other !== purpose) expect(seal.open({ purpose: other, bound, sealed })).toBeUndefined();
    for (const [at] of bound.entries()) expect(seal.open({ purpose, bound: bound.with(at, 'x'), sealed })).toBeUndefined();
    expect(createSeal({ secrets: ['t'.repeat(40)], random: randomBytes }).open({ purpose, bound, sealed })).toBeUndefined();
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = [...alphabet].filter((character) => seal.open({ purpose, bound, sealed: sealed.slice(0, -1) + character }) !== undefined);
    expect(last).toEqual([sealed.at(-1)]);
    for (const other of [`${sealed}=`, `${sealed} `, `${sealed}A`, ''])
      expect(seal.open({ purpose, bound, sealed: other })).toBeUndefined();
  });
});

it('a task has one sealed id as long as the secret is the same, and another under another', () => {
  const id = (plain: string, to = bound, by = seal) => by.seal({ purpose: 'task', bound: to, plain });
  expect(id('t1')).toBe(id('t1'));
  expect(id('t1')).toBe(id('t1', bound, createSeal({ secrets, random: randomBytes })));
  const nonces = [id('t1'), id('t2'), id('t1', bound.with(0, 'other')), id('')].map((sealed) => sealed.slice(0, 16));
  expect(new Set(nonces).size).toBe(4);
  const rotated = createSeal({ secrets: ['n'.repeat(40), ...secrets], random: randomBytes });
  expect(id('t1', bound, rotated)).not.toBe(id('t1'));
  expect(rotated.open({ purpose: 'task', bound, sealed: id('t1') })).toBe('t1');
});

it('anything else is sealed differently every time', () => {
  for (const purpose of purposes.filter((each) => each !== 'task')) {
    expect(seal.seal({ purpose, bound, plain: 'p' })).not.toBe(seal.seal({ purpose, bound, plain: 'p' }));
  }
});

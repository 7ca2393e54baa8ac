import { expect, test } from 'vitest';
import { lineDeath, openingDeath } from '../../src/domain/line-death.ts';
import { start, testKey } from '../ports/subject.ts';

test('a key is as dead as the deadest of its ancestors', () => {
  const key = testKey('A');
  const ended = { ...testKey('P'), expiresAt: start };
  expect(lineDeath([key, testKey('P')], start)).toBeUndefined();
  expect(lineDeath([key, ended], start - 1)).toBeUndefined();
  expect(lineDeath([key, ended], start)).toBe('TOKEN_EXPIRED');
  expect(lineDeath([{ ...key, revokedAt: start }, ended], start)).toBe('TOKEN_REVOKED');
});

test('a key may live on while what something was opened with has ended', () => {
  const key = testKey('A');
  expect(openingDeath({}, key, start)).toBeUndefined();
  expect(openingDeath({ expiresAt: start + 1 }, key, start)).toBeUndefined();
  expect(openingDeath({ expiresAt: start }, key, start)).toBe('TOKEN_EXPIRED');
  expect(openingDeath({ digest: 'none of its own' }, key, start)).toBe('TOKEN_REVOKED');
  const [own] = key.digests;
  expect(openingDeath({ digest: own?.digest }, key, start)).toBeUndefined();
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/adapters/redis/address.ts';
import { hasPassword, readRedisUrl, withoutLogin } from '../../src/config/redis-url.ts';

function isRead(url: string): boolean {
  return 'value' in readRedisUrl(url);
}

function isParsed(url: string): boolean {
  try {
    parseAddress(url);
    return true;
  } catch {
    return false;
  }
}

describe('readRedisUrl', () => {
  it.each([
    'redis://127.0.0.1',
    'redis://localhost:6379/0',
    'REDISS://:s3cret@h:1/15',
    'redis://user:a:b%40c@h',
    'redis+sentinel://h1:26379,h2/mymaster',
    'rediss+sentinel://:x@h1,[::1]:26379/my/3?sentinelPassword=y',
    'redis+cluster://h1,h2:7000,[fd00::1]:7001',
  ])('%s', (url) => {
    expect(readRedisUrl(url)).toEqual({ value: url });
  });

  it('accepts what the store can open, and nothing else', () => {
    const piece = fc.constantFrom(
      ...['redis', 'rediss', '+sentinel', '+cluster', '://', ':', '/', '@', ',', '?', '#', '%', '%40', '[', ']', '::1', '0', '3', '99999'],
      ...['h', 'h1:6379', 'u', 'p', 'name', 'sentinelPassword=x', '&', ' ', '\n', 'ä'],
    );
    const begun = fc.constantFrom('redis://', 'rediss://u:p@h', 'redis+sentinel://h/', 'redis+cluster://h,', '');
    fc.assert(
      fc.property(begun, fc.array(piece, { maxLength: 7 }), (start, pieces) => {
        const url = start + pieces.join('');
        if (isRead(url) !== isParsed(url)) throw new Error(`${JSON.stringify(url)}: ${isRead(url)} and ${isParsed(url)}`);
      }),
      { numRuns: 5000 },
    );
  });

  it('I5: never repeats what it was given', () => {
    for (const url of [
      'redis://u:hunter2@',
      'redis://hunter2',
      'redis://h/hunter2',
      'redis://:hunter2%@h',
      'redis://hunter2@h',
      'redis:hunter2',
    ]) {
      const reading = readRedisUrl(url);
      if (!('value' in reading)) expect(JSON.stringify(reading)).not.toContain('hunter2');
    }
  });
});

describe('the URL for people', () => {
  it.each([
    ['redis://h:1/0', 'redis://h:1/0', false],
    ['redis://:p@h', 'redis://h', true],
    ['rediss+sentinel://u:p%40@a,b/m/3?sentinelPassword=q', 'rediss+sentinel://a,b/m/3', true],
    ['redis+sentinel://a/m?sentinelUsername=u&sentinelPassword=q', 'redis+sentinel://a/m', true],
  ])('%s', (url, shown, secret) => {
    expect(withoutLogin(url)).toBe(shown);
    expect(hasPassword(url)).toBe(secret);
  });
});

import { expect, test } from 'vitest';
import { describeAddress, parseAddress } from '../../../src/adapters/redis/address.ts';

test.each([
  ['redis://localhost', { kind: 'single', tls: false, nodes: [{ host: 'localhost', port: 6379 }], db: 0 }],
  ['redis://h/', { kind: 'single', tls: false, nodes: [{ host: 'h', port: 6379 }], db: 0 }],
  ['rediss://10.0.0.1:6380/3', { kind: 'single', tls: true, nodes: [{ host: '10.0.0.1', port: 6380 }], db: 3 }],
  ['redis://[::1]:7000', { kind: 'single', tls: false, nodes: [{ host: '::1', port: 7000 }], db: 0 }],
  ['redis://:p%40ss%2Fw%3Ard@h', { kind: 'single', tls: false, nodes: [{ host: 'h', port: 6379 }], password: 'p@ss/w:rd', db: 0 }],
  ['redis://me:a:b@h', { kind: 'single', tls: false, nodes: [{ host: 'h', port: 6379 }], username: 'me', password: 'a:b', db: 0 }],
  [
    'redis+sentinel://:pw@s1,s2:26380/mymaster/2?sentinelPassword=x%26y',
    {
      kind: 'sentinel',
      tls: false,
      nodes: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_380 },
      ],
      password: 'pw',
      master: 'mymaster',
      db: 2,
      sentinelPassword: 'x&y',
    },
  ],
  [
    'rediss+cluster://a.example,b.example:7001/',
    {
      kind: 'cluster',
      tls: true,
      nodes: [
        { host: 'a.example', port: 6379 },
        { host: 'b.example', port: 7001 },
      ],
      db: 0,
    },
  ],
])('%s', (url, address) => {
  expect(parseAddress(url)).toEqual(address);
});

test.each([
  ['http://h', /does not begin like one/],
  ['redis+tls://h', /does not begin like one/],
  ['redis://', /names no host/],
  ['redis://:s3cr3t@', /names no host/],
  ['redis://a,b', /several hosts/],
  ['redis://:s3cr3t', /host number 1/],
  ['redis://h:0', /host number 1/],
  ['redis://h:65536', /host number 1/],
  ['redis://h:1e3', /host number 1/],
  ['redis+cluster://a,,b', /host number 2/],
  ['redis://s3cr3t@h', /user name comes with a password/],
  ['redis://me:@h', /password is empty/],
  ['redis://:s3cr3t@x@h', /percent-encoded/],
  ['redis://:s3cr3t/x@h', /percent-encoded/],
  ['redis://:s3cr3t#x@h', /percent-encoded/],
  ['redis://:s3cr3t?x@h', /percent-encoded/],
  ['redis://:s3cr3t%zz@h', /two hexadecimal digits/],
  ['redis://h/s3cr3t', /whole number/],
  ['redis://h/-1', /whole number/],
  ['redis://h/70000', /whole number/],
  ['redis://h/0/1', /whole number/],
  ['redis+cluster://h/1', /no databases/],
  ['redis+sentinel://h', /name of the master/],
  ['redis+sentinel://h/m/0/s3cr3t', /name of the master/],
  ['redis://h?password=s3cr3t', /after \?/],
  ['redis+sentinel://h/m?password=s3cr3t', /after \?/],
  ['redis+sentinel://h/m?sentinelPassword=s3cr3t&sentinelPassword=s3cr3t', /after \?/],
])('%s is refused, and no part of it is repeated', (url, why) => {
  const refused = () => parseAddress(url);
  expect(refused).toThrow(why);
  expect(refused).not.toThrow(/s3cr3t/);
});

test('a description has neither user name nor password', () => {
  const described = (url: string) => describeAddress(parseAddress(url));
  expect(described('rediss://me:pw@h:1/4')).toBe('rediss://h:1/4');
  expect(described('redis+sentinel://:pw@[::1],b/main/1?sentinelPassword=pw')).toBe('redis+sentinel://[::1]:26379,b:26379/main/1');
  expect(described('redis+cluster://:pw@a,b')).toBe('redis+cluster://a:6379,b:6379');
});

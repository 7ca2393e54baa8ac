import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import { loadScript, scriptOf } from '../../../src/adapters/redis/scripts.ts';
import { freePort } from '../../support/ports.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { count, rejection } from './scripts-for-tests.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function opened(url = redis.url) {
  const connection = await openConnection(url);
  onTestFinished(() => connection.close());
  return connection;
}

test('a script runs by its source once, and by its hash from then on', async () => {
  const connection = await opened();
  await redis.cli('config', 'resetstat');
  for (let at = 1; at <= 3; at += 1) expect(await connection.run(count, ['kg:{p1}:'], ['hash'])).toBe(at);
  const calls = await redis.cli('info', 'commandstats');
  expect(calls).toMatch(/cmdstat_evalsha:calls=3,/);
  expect(calls).toMatch(/cmdstat_eval:calls=1,/);
});

test('a script is what stands in lua/, and a missing one is an error that says so', () => {
  const script = loadScript('check-names');
  expect(script).toEqual(scriptOf('check-names', script.source));
  expect(script.sha).toMatch(/^[0-9a-f]{40}$/);
  expect(() => loadScript('no-such-script')).toThrow('This build lacks the Redis script no-such-script.lua.');
});

test('an error of a script has no arguments, which may be secret', async () => {
  const connection = await opened();
  const wrong = scriptOf('wrong', "return redis.call('HGET', KEYS[1], 'x')");
  await connection.client.set('kg:{p2}:', 'a string');
  const error: unknown = await connection.run(wrong, ['kg:{p2}:'], ['s3cr3t']).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toMatch(/WRONGTYPE/);
  expect(JSON.stringify({ ...(error as object) })).not.toContain('s3cr3t');
});

test('who ran a script is said, and whether the connection still stands', async () => {
  const connection = await opened();
  const ran = await connection.runAt(count, ['kg:{p1}:'], ['where']);
  expect(ran.node).toBe(connection.masters()[0]);
  expect(ran.unbroken()).toBe(true);
  const again = Promise.withResolvers<void>();
  connection.onLink((change) => change === 'made' && again.resolve());
  await redis.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes');
  await again.promise;
  expect(ran.unbroken()).toBe(false);
});

test('a database and an account are used, and a wrong password is refused at once without being repeated', async () => {
  await redis.cli('acl', 'setuser', 'gate', 'on', '>p@ss:w/rd', 'allcommands', 'allkeys');
  const connection = await opened(`redis://gate:p%40ss%3Aw%2Frd@127.0.0.1:${redis.port}/5`);
  await connection.client.set('where', 'five');
  expect(await redis.cli('-n', '5', 'get', 'where')).toBe('five');
  expect(await connection.client.call('ACL', 'WHOAMI')).toBe('gate');
  const refused = await rejection(openConnection(`redis://gate:s3cr3t@127.0.0.1:${redis.port}`, { openMsMax: 30_000 }));
  expect(refused).toMatch(/refuses the connection: WRONGPASS.*Correct the user name or password/);
  expect(refused).not.toContain('s3cr3t');
  await redis.cli('acl', 'setuser', 'default', 'resetpass', '>other', 'on');
  onTestFinished(async () => void (await redis.cli('--pass', 'other', 'acl', 'setuser', 'default', 'nopass')));
  expect(await rejection(openConnection(redis.url, { openMsMax: 30_000 }))).toMatch(/NOAUTH.*Put the password into the URL/);
});

test('a database that the server does not have is refused', async () => {
  expect(await rejection(openConnection(`${redis.url}/99`, { openMsMax: 30_000 }))).toMatch(/DB index is out of range/);
});

test('where nothing listens, opening ends in time and says where', async () => {
  const port = await freePort();
  const begin = performance.now();
  const refused = await rejection(openConnection(`redis://:s3cr3t@127.0.0.1:${port}`, { openMsMax: 200 }));
  expect(refused).toMatch(new RegExp(`redis://127\\.0\\.0\\.1:${port} cannot be used after 200 ms of trying: .*ECONNREFUSED`));
  expect(refused).not.toContain('s3cr3t');
  expect(performance.now() - begin).toBeLessThan(1000);
});

test('a single server under a cluster URL says which URL to write', async () => {
  expect(await rejection(openConnection(redis.url.replace('redis:', 'redis+cluster:')))).toMatch(
    /Write redis:\/\/ instead of redis\+cluster/,
  );
});

test('rediss checks the certificate', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-redis-tls-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await promisify(execFile)('openssl', ['req', '-x509', '-nodes', '-days', '2', ...curve, '-keyout', key, '-out', cert, ...subject]);
  const port = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert, '--tls-auth-clients', 'no'];
  const secured = await startRedis({ args: ['--tls-port', String(port), ...files] });
  onTestFinished(() => secured.stop());
  const url = `rediss://127.0.0.1:${port}`;
  const connection = await openConnection(url, { tls: { ca: await readFile(cert) } });
  onTestFinished(() => connection.close());
  expect(await connection.run(count, ['kg:{p1}:'], ['tls'])).toBe(1);
  expect(await rejection(openConnection(url, { openMsMax: 300 }))).toMatch(/self-signed certificate/);
});

test('closing leaves no connection behind, and commands after it are rejected', async () => {
  const connection = await openConnection(redis.url);
  await connection.close();
  const clients = (await redis.cli('client', 'list')).split('\n').filter((line) => line.includes('name=keygate'));
  expect(clients).toEqual([]);
  expect(await rejection(connection.client.get('x'))).toMatch(/closed/i);
  expect(connection.trouble()).toMatch(/is not connected/);
});

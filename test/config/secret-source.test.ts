import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { Reading } from '../../src/config/problems.ts';
import { fetchSecrets, type SecretSource, type SecretSources } from '../../src/config/secret-source.ts';
import { folderWith, secrets as ownSecrets } from './folder.ts';

/** A source over a table; `delay` keeps each answer back until all that were awaited have been asked for. */
function sourceOf(table: Record<string, string>, { membersOnly = false } = {}): SecretSource & { asked: string[] } {
  const asked: string[] = [];
  return {
    membersOnly,
    asked,
    async read(name): Promise<Reading<string>> {
      asked.push(name);
      const value = table[name];
      return value === undefined ? { message: 'does not exist' } : { value };
    },
  };
}

async function load(yaml: string, secretSources?: SecretSources) {
  const folder = folderWith({ ...ownSecrets, 'keygate.yaml': yaml });
  const loaded = await loadConfig({ file: 'keygate.yaml', env: {}, cwd: folder.path, ...(secretSources && { secretSources }) });
  return { loaded, told: loaded.ok ? [] : loaded.problems.map(({ line, path, message, hint }) => ({ line, path, message, hint })) };
}

const upstream = (name: string, value: string) =>
  `  ${name}: { url: "http://127.0.0.1:9/mcp", tools: annotations, credential: { header: authorization, value: "${value}" } }\n`;

test('whole secrets and members, each secret fetched once', async () => {
  const aws = sourceOf({ plain: 'a', 'prod/db': '{"user":"u","port":5432,"on":true}' });
  const vault = sourceOf({ 'secret/wiki': '{"token":"t"}' }, { membersOnly: true });
  const yaml = `upstreams:\n${upstream('one', `\${aws:plain} \${aws:prod/db#user}:\${aws:prod/db#port}:\${aws:prod/db#on}`)}${upstream('two', `Bearer \${vault:secret/wiki#token}`)}`;
  const { loaded } = await load(yaml, { aws, vault });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  expect(loaded.fetches).toBe(true);
  expect(loaded.warnings).toEqual([]);
  expect(loaded.config.upstreams.one?.credentials[0]?.value).toBe('a u:5432:true');
  expect(loaded.config.upstreams.two?.credentials[0]?.value).toBe('Bearer t');
  expect(aws.asked).toEqual(['plain', 'prod/db']);
  expect(vault.asked).toEqual(['secret/wiki']);
});

test('all are fetched side by side', async () => {
  const all = Promise.withResolvers<void>();
  let waiting = 0;
  const aws: SecretSource = {
    membersOnly: false,
    async read(name) {
      waiting += 1;
      if (waiting === 3) all.resolve();
      await all.promise;
      return { value: name };
    },
  };
  const { loaded } = await load(`upstreams:\n${upstream('a', '${aws:x}')}${upstream('b', '${aws:y}')}${upstream('c', '${aws:z}')}`, {
    aws,
  });
  expect(loaded.ok).toBe(true);
});

test('every problem is told with its place, and none shows a value', async () => {
  const aws = sourceOf({ text: 'canary-text', list: '["canary-list"]', nested: '{"inner":{"deep":"canary-deep"}}', empty: '' });
  const vault = sourceOf({ 'secret/wiki': '{"token":"canary-token"}' }, { membersOnly: true });
  const written = ['${aws:text#member}', '${aws:list#0}', '${aws:nested#inner}', '${aws:nested#gone}', '${aws:empty}', '${aws:gone}'];
  const more = ['${aws:}', '${aws:text#}', '${vault:secret/wiki}', '${vault:secret/wiki#__proto__}'];
  const yaml = `upstreams:\n${[...written, ...more].map((value, at) => upstream(`u${at}`, value)).join('')}`;
  const { told } = await load(yaml, { aws, vault });
  expect(told.map(({ line, path, message }) => `${line} ${path} ${message}`)).toEqual(
    [
      'needs the secret aws:text, which is not a JSON object with members',
      'needs the secret aws:list, which is not a JSON object with members',
      'needs the secret aws:nested, which has a member inner that is not a string',
      'needs the secret aws:nested, which has no member gone',
      'needs the secret aws:empty, which is empty',
      'needs the secret aws:gone, which does not exist',
      'has a ${aws:} without a name',
      'has a ${aws:} without a member',
      'has a ${vault:} without a member',
      'needs the secret vault:secret/wiki, which has no member __proto__',
    ].map((message, at) => `${at + 2} upstreams.u${at}.credential.value ${message}`),
  );
  expect(JSON.stringify(told)).not.toMatch(/canary/);
});

test('without a source a reference is a problem, and an escaped one is text', async () => {
  const { told } = await load(`upstreams:\n${upstream('a', '${aws:x}')}${upstream('b', '$${aws:x}')}`);
  expect(told.map(({ path, message }) => `${path} ${message}`)).toEqual([
    'upstreams.a.credential.value asks for a secret of aws, which is not possible here',
  ]);
});

test('a file without such references fetches nothing', async () => {
  const aws = sourceOf({ x: 'y' });
  const { loaded } = await load(`upstreams:\n${upstream('b', '$${aws:x}')}`, { aws });
  expect(loaded).toMatchObject({ ok: true, fetches: false });
  expect(aws.asked).toEqual([]);
});

test('a source that never answers, or throws, ends as a problem', async () => {
  const silent: SecretSource = { membersOnly: false, read: () => new Promise(() => undefined) };
  const broken: SecretSource = { membersOnly: false, read: () => Promise.reject(new Error('canary')) };
  expect(await fetchSecrets({ aws: silent }, 20).resolve('aws:x')).toEqual({
    message: 'needs the secret aws:x, which was not there within 0.02 s',
  });
  expect(await fetchSecrets({ aws: broken }).resolve('aws:x')).toEqual({ message: 'needs the secret aws:x, which cannot be read' });
});

test('secrets.refresh has bounds', async () => {
  expect((await load('upstreams: {}\nsecrets: { refresh: 10ms }\n')).told).toMatchObject([
    { path: 'secrets.refresh', message: 'must be from 1s to 1d' },
  ]);
  expect((await load('upstreams: {}\n')).loaded).toMatchObject({ config: { secrets: { refreshMs: 300_000 } } });
});

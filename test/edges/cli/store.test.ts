import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSigning } from '../../../src/authority/signing.ts';
import { openAuthority, readConfig } from '../../../src/compose-store.ts';
import { type Ran, runCommand } from './run-command.ts';

const configuration = `
listen: { mcp: 127.0.0.1:18080, admin: "[::1]:18081" }
store: ./var
upstreams:
  wiki:
    url: http://127.0.0.1:9001/mcp
    tools:
      - { match: "get_*", scope: "read:wiki", price: "0.002" }
`;

/** Every command against a real configuration and a real store, each opening and closing it as a process would. */
describe('the command line over an embedded store', () => {
  let cwd = '';
  const run = async (...argv: string[]): Promise<Ran> => {
    const place = { env: {}, cwd };
    return await runCommand(argv, {
      ...place,
      readConfig: async ({ configFile }) => await readConfig({ configFile, ...place }),
      openAuthority: async ({ configFile }) => await openAuthority({ configFile, ...place }),
    });
  };
  const configure = async (text: string): Promise<void> => await writeFile(join(cwd, 'keygate.yaml'), text);
  const keygate = async (line: string): Promise<Ran> => await run('--config', 'keygate.yaml', ...line.split(' '));

  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'keygate-cli-'));
    await configure(configuration);
  });
  afterEach(async () => {
    await rm(cwd, { recursive: true });
  });

  it('init makes secrets and one operator, once', async () => {
    const first = await keygate('init --json');
    expect(first.err).toBe('');
    const made = first.document<{ created: string[]; kept: string[]; operator: { key: string; kind: string } }>();
    expect(made.created).toEqual(['pepper', 'seal', 'signing.jwk'].map((name) => join(cwd, 'var', name)));
    expect(made.operator).toMatchObject({ kind: 'operator', scopes: ['manage', 'admin'], name: 'first operator' });
    for (const file of made.created) expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(cwd, 'var'))).mode & 0o777).toBe(0o700);

    const again = await keygate('init --json');
    expect(again.document()).toEqual({ created: [], kept: made.created, operator: null });
    expect((await keygate('init')).out).toContain('live operator key already');
    expect((await keygate('journal tail --json')).document<{ data: object[] }>().data).toMatchObject([{ kind: 'key.minted', via: 'init' }]);
  });

  it('init prints the key once', async () => {
    const ran = await keygate('init');
    expect(ran.code).toBe(0);
    expect(ran.out.match(/kg_live_\w{8}_\w{49}/g)).toHaveLength(1);
    expect(ran.out).toContain('not shown again');
  });

  it('keys, accounts, usage and journal agree', async () => {
    await keygate('init');
    expect((await keygate('accounts create acme')).code).toBe(0);
    const credit = 'accounts credit acme 3.5 --reference inv-1';
    expect((await keygate(`${credit} --json`)).document()).toMatchObject({ balance: '3.5', available: '3.5', replayed: false });
    expect((await keygate(`${credit} --json`)).document()).toMatchObject({ balance: '3.5', replayed: true });
    const conflict = await keygate('accounts credit acme 4 --reference inv-1 --json');
    expect(JSON.parse(conflict.err)).toMatchObject({ error: { code: 'CONFLICT' } });
    expect(JSON.parse((await keygate('accounts credit acme 1000000000 --reference big --json')).err)).toMatchObject({
      error: { code: 'CONFLICT' },
    });

    const mint =
      'keys mint --name reader --scope read:wiki --upstream wiki --budget 5.00/day --cap 100/hour --account acme --max-uses 9 --json';
    const { id, key } = (await keygate(mint)).document<{ id: string; key: string }>();
    const usage = (await keygate(`usage ${id} --json`)).document<{
      limits: { limit: unknown; spent: unknown; resetAt: string | null }[];
    }>();
    expect(usage.limits.map(({ limit, spent }) => [limit, spent])).toEqual(
      expect.arrayContaining([
        ['5', '0'],
        [100, 0],
        [9, 0],
        ['3.5', '0'],
      ]),
    );
    expect((await keygate(`keys revoke ${id} --reason done`)).code).toBe(0);
    expect((await keygate(`keys show ${id} --json`)).document()).toMatchObject({ status: 'revoked', revokedReason: 'done' });
    expect((await keygate('keys list --kind agent --json')).document<{ data: object[] }>().data).toHaveLength(1);

    const records = (await keygate('journal tail --json')).document<{ data: { kind: string; via: string; keyId?: string }[] }>().data;
    expect(records.map(({ kind }) => kind)).toEqual(['key.minted', 'account.created', 'account.credited', 'key.minted', 'key.revoked']);
    expect(records.slice(1).every(({ via }) => via === 'cli')).toBe(true);
    expect(JSON.stringify(records)).not.toContain(key.slice(-49));
  });

  it('exports verify as the store does, and a changed or cut one does not', async () => {
    await keygate('init');
    for (const name of ['one', 'two', 'three']) await keygate(`keys mint --name ${name} --scope read:wiki`);
    const written = await keygate('journal export --output out.jsonl --json');
    expect(written.document()).toEqual({ file: join(cwd, 'out.jsonl'), records: 4, checkpoints: 1 });
    expect((await stat(join(cwd, 'out.jsonl'))).mode & 0o777).toBe(0o600);
    const text = await readFile(join(cwd, 'out.jsonl'), 'utf8');
    expect((await keygate('journal export')).out).toBe(text);
    const document = (await keygate('journal export --json')).document<{ data: object[]; checkpoints: object[] }>();
    expect([document.data.length, document.checkpoints.length]).toEqual([4, 1]);

    expect((await keygate('journal verify --json')).document()).toMatchObject({ ok: true, records: 4, faults: [] });
    expect((await keygate('journal verify out.jsonl')).out).toBe('intact: 4 records (1 to 4), 1 checkpoints, 0 gaps\n');

    const lines = text.trimEnd().split('\n');
    await writeFile(join(cwd, 'changed.jsonl'), text.replace('"two"', '"2wo"'));
    const changed = await keygate('journal verify changed.jsonl --json');
    expect(changed.code).toBe(1);
    expect(changed.document()).toMatchObject({ ok: false, faults: [{ seq: 3 }] });

    // Cut together with its own checkpoint, which only a checkpoint kept elsewhere gives away.
    await writeFile(join(cwd, 'cut.jsonl'), `${lines.slice(0, 3).join('\n')}\n`);
    expect((await keygate('journal verify cut.jsonl')).code).toBe(0);
    await writeFile(join(cwd, 'kept.jsonl'), `${lines.at(-1)}\n`);
    const cut = await keygate('journal verify cut.jsonl --checkpoints kept.jsonl');
    expect(cut.code).toBe(1);
    expect(cut.out).toContain('the tail is missing');
    await writeFile(join(cwd, 'bare.jsonl'), JSON.stringify((JSON.parse(lines.at(-1) ?? '') as { checkpoint: object }).checkpoint));
    expect((await keygate('journal verify cut.jsonl --checkpoints bare.jsonl')).code).toBe(1);
  });

  it('verifies with public keys alone, where no gateway is', async () => {
    await keygate('init');
    await keygate('journal export --output out.jsonl');
    const { publicJwks } = readSigning(await readFile(join(cwd, 'var', 'signing.jwk'), 'utf8'));
    await writeFile(join(cwd, 'public.jwks'), JSON.stringify(publicJwks));
    await rm(join(cwd, 'var'), { recursive: true });
    await rm(join(cwd, 'keygate.yaml'));
    expect((await keygate('journal verify out.jsonl --keys public.jwks')).code).toBe(0);
    await writeFile(join(cwd, 'public.jwks'), '{"keys":[]}');
    const unknown = await keygate('journal verify out.jsonl --keys public.jwks');
    expect(unknown.code).toBe(1);
    expect(unknown.out).toContain('unknown key');
  });

  it.each([
    ['journal verify nowhere.jsonl', 'cannot read'],
    ['journal verify nowhere.jsonl --keys nowhere.jwk', 'cannot read'],
    ['journal verify --checkpoints keygate.yaml', 'is not a checkpoint'],
  ])('says which file is not usable: %s', async (line, text) => {
    await keygate('init');
    const ran = await keygate(line);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain(text);
    expect(ran.err).not.toContain('KEYGATE_DEBUG');
  });

  it('check tells every problem with its place, or what the configuration amounts to', async () => {
    await keygate('init');
    const good = await keygate('check');
    expect(good.code).toBe(0);
    expect(good.out).toMatch(/mcp +127\.0\.0\.1:18080\nadmin +\[::1\]:18081\n/);
    expect(good.out).toMatch(/upstream wiki +http:\/\/127\.0\.0\.1:9001\/mcp \(live, 1 rule\)\nresult +no problems\n$/);
    expect((await keygate('check --json')).document()).toMatchObject({ ok: true, upstreams: [{ name: 'wiki', rules: 1 }] });

    await configure(`${configuration}      - { match: x, scope: "READ", price: "1.0000001", when: "args." }\nworkers: 3.5\n`);
    const bad = await keygate('check');
    expect(bad.code).toBe(1);
    expect(bad.out).toMatch(/^keygate\.yaml:9:\d+ upstreams\.wiki\.tools\[1\]\.scope/m);
    expect(bad.out).toMatch(/^keygate\.yaml:9:\d+ upstreams\.wiki\.tools\[1\]\.when/m);
    expect(bad.out).toMatch(/^keygate\.yaml:10:\d+ workers/m);
    expect(bad.out).toMatch(/^4 problems$/m);
    const { problems } = (await keygate('check --json')).document<{ problems: { line: number }[] }>();
    expect(problems.map(({ line }) => line)).toEqual([9, 9, 9, 10]);
    const other = await keygate('keys list');
    expect(other.code).toBe(1);
    expect(other.err).toContain('keygate.yaml:9:');
  });

  it('check says which command starts a server, whether it is there, and nothing of its secrets', async () => {
    await keygate('init');
    const upstreams = {
      files: { command: 'sh', args: ['--token', 'hunter2hunter2'], env: { MODE: 'hunter2hunter2' }, tools: 'annotations' },
      gone: { command: 'keygate-no-such-program', tools: 'annotations' },
    };
    await configure(JSON.stringify({ upstreams }));
    const ran = await keygate('check');
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^warning: keygate\.yaml:1:\d+ upstreams\.gone\.command: is not a program that can be started here/m);
    expect(ran.out).toMatch(/^upstream files +started by sh \(live, tools by their annotations\)$/m);
    const document = (await keygate('check --json')).document();
    expect(document).toMatchObject({ ok: true, upstreams: [{ name: 'files', transport: 'stdio', command: 'sh' }, { name: 'gone' }] });
    expect(ran.out + JSON.stringify(document)).not.toContain('hunter2');
  });

  it('tells of a configuration that is not there, and of missing secrets', async () => {
    const secrets = await keygate('keys list');
    expect(secrets.code).toBe(1);
    expect(secrets.err).toContain('keygate init');
    await rm(join(cwd, 'keygate.yaml'));
    for (const line of ['init', 'check', 'keys list', 'journal verify']) {
      const ran = await keygate(line);
      expect(ran.code).toBe(1);
      expect(ran.err + ran.out).toContain('keygate.yaml');
      expect(ran.err).not.toContain('KEYGATE_DEBUG');
    }
  });

  it('schema prints and writes the JSON Schema', async () => {
    const printed = await keygate('schema');
    expect(printed.document()).toMatchObject({ title: 'keygate configuration' });
    expect((await keygate('schema --write sub/schema.json --json')).document()).toEqual({ file: join(cwd, 'sub', 'schema.json') });
    expect(await readFile(join(cwd, 'sub', 'schema.json'), 'utf8')).toBe(printed.out);
  });
});

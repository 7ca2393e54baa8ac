import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createAccount } from '../../../src/authority/accounts.ts';
import { CommandFailure } from '../../../src/edges/cli/failure.ts';
import { buildProgram } from '../../../src/edges/cli/program.ts';
import { appendRecord, createMemoryAuthority } from '../../support/memory-authority.ts';
import { overAuthority, runCommand } from './run-command.ts';

describe('keys mint', () => {
  it('turns every option into the request', async () => {
    const authority = createMemoryAuthority();
    await createAccount(authority, 'acme', { via: 'cli' });
    const options =
      '--name trader --scope read:wiki trade:desk --scope write:kb --permission read=a,b --permission read=c --upstream wiki --tool get_* list_* ' +
      '--budget 5.00/day --budget 20/week@Europe/Berlin --cap 100/hour --cap 5/day@Europe/Berlin:get_* --rate 600/m --expires 12h --env live ' +
      '--account acme --agent devops --org acme-org --address 10.0.0.0/8 192.0.2.1 --max-uses 7 --owner Ada --purpose run --metadata team=a=b --metadata k=v ' +
      '--on-behalf-of ada@example.com --json';
    const ran = await runCommand(['keys', 'mint', ...options.split(' ')], overAuthority(authority));
    expect(ran.err).toBe('');
    expect(ran.code).toBe(0);
    expect(ran.document()).toMatchObject({
      key: expect.stringMatching(/^kg_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$/),
      name: 'trader',
      scopes: ['read:wiki', 'trade:desk', 'write:kb', 'read:a', 'read:b', 'read:c'],
      upstreams: ['wiki'],
      tools: ['get_*', 'list_*'],
      budgets: [
        { amount: '5', per: 'day', zone: 'UTC' },
        { amount: '20', per: 'week', zone: 'Europe/Berlin' },
      ],
      caps: [
        { calls: 100, per: 'hour', zone: 'UTC', tool: null },
        { calls: 5, per: 'day', zone: 'Europe/Berlin', tool: 'get_*' },
      ],
      rate: { calls: 600, perSeconds: 60 },
      expiresAt: '2026-11-21T00:00:00.000Z',
      ...{ accountId: 'acme', agentId: 'devops', orgId: 'acme-org', maxUses: 7, owner: 'Ada', purpose: 'run' },
      addresses: ['10.0.0.0/8', '192.0.2.1/32'],
      metadata: { team: 'a=b', k: 'v' },
      onBehalfOf: 'ada@example.com',
      warnings: [],
    });
  });

  it('shows the key once, says so, and warns on standard error', async () => {
    const ran = await runCommand('keys mint --name reader --scope read:*'.split(' '), overAuthority(createMemoryAuthority()));
    expect(ran.code).toBe(0);
    expect(ran.out.match(/kg_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}/g)).toHaveLength(1);
    expect(ran.out).toContain('it is not shown again');
    expect(ran.err).toBe('warning: The scope read:* holds a wildcard: it also covers what is added later.\n');
  });

  it('binds a bot', async () => {
    const ran = await runCommand(
      'keys mint --name x --scope read --kind bot --bot ops-1a --json'.split(' '),
      overAuthority(createMemoryAuthority()),
    );
    expect(ran.document()).toMatchObject({ kind: 'bot', botId: 'ops-1a' });
  });

  it('tells every problem of a refused request and exits with 1', async () => {
    const command = 'keys mint --name x --scope READ --upstream nowhere --budget 1.0000001/day'.split(' ');
    const ran = await runCommand(command, overAuthority(createMemoryAuthority()));
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(/^keygate: refused\n {2}.*scopes\[0\]: /);
    expect(ran.err).toContain('budgets[0].amount: ');
    const json = await runCommand([...command, '--json'], overAuthority(createMemoryAuthority()));
    expect(json).toMatchObject({ code: 1, out: '' });
    const { error } = JSON.parse(json.err) as { error: { code: string; problems: { path: string }[] } };
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.problems.map(({ path }) => path)).toEqual(['scopes[0]', 'budgets[0].amount']);
  });

  it.each([
    ['no name', ''],
    ['a budget without a window', '--name x --budget 5.00'],
    ['a cap that is no number', '--name x --cap many/day'],
    ['a rate in an unknown unit', '--name x --rate 5/y'],
    ['a lifetime without a unit', '--name x --expires 30'],
    ['an unknown environment', '--name x --env staging'],
    ['no uses at all', '--name x --max-uses 0'],
    ['a note without a name', '--name x --metadata =v'],
    ['a note given twice', '--name x --metadata a=1 --metadata a=2'],
    ['a misspelt option', '--name x --buget 5.00/day'],
    ['an argument too many', '--name x -- extra'],
  ])('is a usage error with %s', async (_what, options) => {
    const authority = createMemoryAuthority();
    const ran = await runCommand(['keys', 'mint', ...options.split(' ').filter(Boolean)], overAuthority(authority));
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(/^keygate: .+\n$/);
    expect(authority.records.size).toBe(0);
  });
});

describe('keys list, show and revoke', () => {
  it('go through the life of a key', async () => {
    const authority = createMemoryAuthority();
    const over = overAuthority(authority);
    const minted = (await runCommand('keys mint --name first --scope read --org acme --json'.split(' '), over)).document<{
      id: string;
      key: string;
    }>();
    await runCommand('keys mint --name second --scope read --env test'.split(' '), over);

    const all = (await runCommand(['keys', 'list', '--json'], over)).document<{ data: { id: string }[]; nextCursor: null }>();
    expect(all.data).toHaveLength(2);
    expect(all.nextCursor).toBeNull();
    const page = (await runCommand(['keys', 'list', '--limit', '1', '--json'], over)).document<{
      data: { id: string }[];
      nextCursor: string;
    }>();
    expect(page.nextCursor).toBe(page.data[0]?.id);
    expect((await runCommand(['keys', 'list', '--limit', '1'], over)).out).toContain(`more: --cursor ${page.nextCursor}`);
    for (const filter of [
      ['--org', 'acme'],
      ['--env', 'live'],
    ]) {
      expect((await runCommand(['keys', 'list', ...filter, '--json'], over)).document<typeof all>().data.map(({ id }) => id)).toEqual([
        minted.id,
      ]);
    }
    expect((await runCommand(['keys', 'list', '--org', 'none'], over)).out).toBe('no keys\n');

    expect((await runCommand(['keys', 'show', minted.id], over)).out).toMatch(/^id +\w{8}\nname +first\nstatus +active\n/);
    const revoked = await runCommand(['keys', 'revoke', minted.id, '--reason', 'leaked', '--json'], over);
    expect(revoked.document()).toMatchObject({ id: minted.id, status: 'revoked', revokedReason: 'leaked', already: false });
    expect((await runCommand(['keys', 'revoke', minted.id], over)).out).toMatch(/was revoked before/);
    const texts = await Promise.all(
      [['list'], ['show', minted.id]].map(async (act) => (await runCommand(['keys', ...act, '--json'], over)).out),
    );
    expect(texts.join()).not.toContain(minted.key.slice(-49));
  });

  it('say that a key is unknown', async () => {
    const over = overAuthority(createMemoryAuthority());
    for (const act of ['show', 'revoke']) {
      const ran = await runCommand(['keys', act, 'AAAAAAAA', '--json'], over);
      expect(ran).toMatchObject({ code: 1, out: '' });
      expect(JSON.parse(ran.err)).toMatchObject({ error: { code: 'NOT_FOUND' } });
    }
  });
});

describe('keys set, rotate, reissue, delete and leak', () => {
  const minted = async () => {
    const authority = createMemoryAuthority();
    const over = overAuthority(authority);
    const line = 'keys mint --name reader --scope read:wiki trade:desk --agent devops --org acme --max-uses 5 --json';
    const { id, key } = (await runCommand(line.split(' '), over)).document<{ id: string; key: string }>();
    const keys = async (rest: string, input?: string) =>
      await runCommand(['keys', ...rest.split(' ')], { ...over, ...(input === undefined ? {} : { input: lines(input) }) });
    return { authority, id, key, keys };
  };
  async function* lines(text: string): AsyncGenerator<string> {
    yield text;
  }

  it('set changes what is named', async () => {
    const { id, keys } = await minted();
    const options =
      '--name searcher --scope read:wiki --upstream wiki --tool get_* --address 10.0.0.0/8 --budget 1.00/day --cap 5/hour --rate 2/s ' +
      '--expires 5d --children no --owner Ada --purpose run --metadata team=a --on-behalf-of ada --clear max-uses --json';
    expect((await keys(`set ${id} ${options}`)).document()).toMatchObject({
      ...{ id, name: 'searcher', scopes: ['read:wiki'], upstreams: ['wiki'], tools: ['get_*'], addresses: ['10.0.0.0/8'] },
      budgets: [{ amount: '1', per: 'day' }],
      caps: [{ calls: 5, per: 'hour' }],
      rate: { calls: 2, perSeconds: 1 },
      ...{
        expiresAt: '2026-11-25T12:00:00.000Z',
        children: false,
        owner: 'Ada',
        purpose: 'run',
        metadata: { team: 'a' },
        onBehalfOf: 'ada',
      },
      ...{ maxUses: null, warnings: [], guards: [] },
    });
    const cleared = await keys(`set ${id} --clear budgets caps rate owner on-behalf-of --children yes`);
    expect(cleared).toMatchObject({ code: 0, err: '' });
    expect(cleared.out).not.toMatch(/^(budgets|caps|rate|owner|on behalf of|children)/m);
    expect((await keys(`set ${id} --scope read:*`)).err).toContain('warning: The scope read:* holds a wildcard');
    for (const usage of [`set ${id}`, `set ${id} --clear nonsense`, `set ${id} --owner Eve --clear owner`, 'set']) {
      expect(await keys(usage)).toMatchObject({ code: 2, out: '' });
    }
    expect((await keys(`set ${id} --upstream nowhere`)).err).toContain('upstreams[0]: there is no upstream "nowhere"');
  });

  it('rotate shows the new secret once and says what becomes of the old one', async () => {
    const { id, key, keys } = await minted();
    const rotated = (await keys(`rotate ${id} --overlap 15m --json`)).document<{ id: string; key: string }>();
    expect(rotated).toMatchObject({ id, previousUntil: '2026-11-20T12:15:00.000Z', revision: 2 });
    expect(rotated.key).not.toBe(key);
    expect((await keys(`show ${id}`)).out).toMatch(/^old secret +works until 2026-11-20T12:15/m);
    const again = await keys(`rotate ${id}`);
    expect(again.out.match(/kg_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}/g)).toHaveLength(1);
    expect(again.out).toMatch(/it is not shown again[\s\S]*The old secret works no more\.\n$/);
    expect((await keys(`rotate ${id} --overlap 25h`)).err).toContain('overlap: must be now, or at most 24h');
  });

  it('reissue replaces a key', async () => {
    const { id, keys } = await minted();
    const done = (await keys(`reissue ${id} --expires 12h --scope read:wiki --reason smaller --json`)).document<{ id: string }>();
    expect(done).toMatchObject({
      replaced: id,
      scopes: ['read:wiki'],
      agentId: 'devops',
      expiresAt: '2026-11-21T00:00:00.000Z',
      guards: [],
    });
    expect((await keys(`show ${id} --json`)).document()).toMatchObject({
      status: 'revoked',
      revokedReason: `smaller; replaced by ${done.id}`,
    });
    expect((await keys(`reissue ${done.id}`)).out).toMatch(new RegExp(`${done.id} is revoked\\.\n$`));
    expect(JSON.parse((await keys(`reissue ${id} --json`)).err)).toMatchObject({ error: { code: 'CONFLICT' } });
  });

  it('delete is for good', async () => {
    const { id, keys } = await minted();
    expect((await keys(`delete ${id} --reason done --json`)).document()).toMatchObject({ id, deleted: true });
    expect(JSON.parse((await keys(`delete ${id} --json`)).err)).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });

  it('leak takes an id, or the key itself from standard input and never as an argument', async () => {
    const one = await minted();
    const byText = await one.keys('leak --json', `${one.key}\n`);
    expect(byText).toMatchObject({ code: 0, err: '' });
    expect(byText.document()).toEqual({ received: true });
    expect((await one.keys(`show ${one.id} --json`)).document()).toMatchObject({ revokedReason: 'leaked' });
    expect((await one.keys('leak', 'junk')).code).toBe(0);
    const two = await minted();
    expect((await two.keys(`leak ${two.id}`)).code).toBe(0);
    expect((await two.keys(`show ${two.id} --json`)).document()).toMatchObject({ status: 'revoked' });
    const mistaken = await two.keys(`leak ${two.key}`);
    expect(mistaken.code).toBe(1);
    expect(mistaken.err).not.toContain(two.key.slice(-49));
  });

  it('revoke ends many at once, and never all by mistake', async () => {
    const { id, keys } = await minted();
    await keys('mint --name other --scope read --agent payroll --org acme');
    expect((await keys('revoke --agent devops --org acme --reason gone --json')).document()).toMatchObject({ revoked: [id], already: 0 });
    expect((await keys('revoke --org acme')).out).toMatch(/^\w{8} is revoked\n1 revoked, 1 before \(\d+(\.\d+)? ms, 1 acknowledged\)\n$/);
    for (const usage of ['revoke', `revoke ${id} --org acme`, 'revoke --reason why']) expect((await keys(usage)).code).toBe(2);
  });

  it('mint --parent narrows, and show tells parents and children', async () => {
    const { id, keys } = await minted();
    const child = (await keys(`mint --name narrower --parent ${id} --scope read:wiki --no-children --json`)).document<{ id: string }>();
    expect(child).toMatchObject({ parentIds: [id], agentId: 'devops', orgId: 'acme', children: false });
    expect((await keys(`show ${id} --json`)).document()).toMatchObject({ childIds: [child.id] });
    expect((await keys(`show ${id}`)).out).toMatch(new RegExp(`^children +${child.id}$`, 'm'));
    expect((await keys(`show ${child.id}`)).out).toMatch(new RegExp(`^parents +${id}\nchildren +not allowed$`, 'm'));
    const wider = await keys(`mint --name wider --parent ${id} --scope manage --json`);
    expect(JSON.parse(wider.err)).toMatchObject({ error: { problems: [{ path: 'scopes[0]' }] } });
    expect((await keys(`revoke --parent ${id} --json`)).document()).toMatchObject({ revoked: [child.id] });
  });
});

describe('accounts and usage', () => {
  it('credit once per reference', async () => {
    const over = overAuthority(createMemoryAuthority());
    expect((await runCommand(['accounts', 'create', 'acme', '--json'], over)).document()).toMatchObject({ id: 'acme', balance: '0' });
    const credit = ['accounts', 'credit', 'acme', '12.50', '--reference', 'inv-1'];
    expect((await runCommand([...credit, '--json'], over)).document()).toMatchObject({ balance: '12.5', replayed: false });
    expect((await runCommand(credit, over)).out).toContain('nothing was added');
    expect((await runCommand(['accounts', 'show', 'acme'], over)).out).toMatch(/balance +12.5\n/);
    expect((await runCommand(['accounts', 'show', 'none'], over)).code).toBe(1);
    expect((await runCommand(['accounts', 'credit', 'acme', '1'], over)).code).toBe(2);
    expect((await runCommand(['accounts', 'credit', 'acme', '-1', '--reference', 'x'], over)).code).not.toBe(0);
  });

  it('shows what is used of every limit', async () => {
    const authority = createMemoryAuthority();
    authority.usageLines = [{ limitName: 'key:k budget day', unit: 'micros', limit: 5_000_000, spent: 1_000_000, held: 0, resetAt: 0 }];
    const over = overAuthority(authority);
    const { id } = (await runCommand('keys mint --name u --scope read --json'.split(' '), over)).document<{ id: string }>();
    expect((await runCommand(['usage', id], over)).out).toMatch(/key:k budget day +1 +0 +5 +4 +20% +1970-01-01T00:00\n$/);
    expect((await runCommand(['usage', '--json'], over)).document()).toMatchObject({
      data: [{ id, limits: [{ spent: '1', limit: '5' }] }],
      nextCursor: null,
    });
  });
});

describe('journal tail', () => {
  it('shows the newest records on one plain line each', async () => {
    const authority = createMemoryAuthority();
    appendRecord(authority.texts, { kind: 'key.minted', keyId: 'AbCd1234' });
    appendRecord(authority.texts, {
      kind: 'call.refused',
      keyId: 'AbCd1234',
      upstream: 'wiki',
      tool: 'evil\u001b[2J\r\nforged',
      reason: 'TOOL_NOT_ALLOWED',
    });
    const over = overAuthority(authority);
    const one = await runCommand(['journal', 'tail', '-n', '1'], over);
    expect(one.out).toBe(
      '     2  2026-11-20T12:00:00.000Z  call.refused    AbCd1234  wiki/evil\\u001b[2J\\u000d\\u000aforged  TOOL_NOT_ALLOWED\n',
    );
    expect((await runCommand(['journal', 'tail', '--json'], over)).document<{ data: unknown[] }>().data).toHaveLength(2);
    expect((await runCommand(['journal', 'tail', '-n', '0'], over)).out).toBe('no records\n');
  });

  it('follows until it is stopped', async () => {
    const authority = createMemoryAuthority();
    const stop = new AbortController();
    appendRecord(authority.texts, { kind: 'key.minted', keyId: 'one' });
    const seen: string[] = [];
    const out = (text: string): void => {
      seen.push((JSON.parse(text) as { keyId: string }).keyId);
      if (seen.length === 1) appendRecord(authority.texts, { kind: 'key.minted', keyId: 'two' });
      else stop.abort();
    };
    const ran = await runCommand(['journal', 'tail', '--follow', '--json'], { ...overAuthority(authority), out, signal: stop.signal });
    expect(ran.code).toBe(0);
    expect(seen).toEqual(['one', 'two']);
  });
});

describe('the program', () => {
  it('has every command of the documented interface', () => {
    const program = buildProgram({ version: '9.9.9' } as never);
    const names = (command: Command): string[] =>
      command.commands.length === 0
        ? [command.name()]
        : command.commands.flatMap((inner) => names(inner).map((name) => `${command.name()} ${name}`));
    expect(
      names(program)
        .map((name) => name.replace('keygate ', ''))
        .sort(),
    ).toEqual(
      [
        ...['init', 'serve', 'demo', 'check', 'usage', 'schema', 'connect', 'explain', 'review', 'import', 'wrap'],
        ...['mint', 'list', 'show', 'set', 'revoke', 'rotate', 'reissue', 'delete', 'leak', 'enrol', 'step-up'].map(
          (name) => `keys ${name}`,
        ),
        ...['create', 'credit', 'adjust', 'limit', 'show'].map((name) => `accounts ${name}`),
        ...['tail', 'export', 'verify'].map((name) => `journal ${name}`),
        'rules test',
        'ledger reconcile',
        ...['export', 'import'].map((name) => `store ${name}`),
        ...['list', 'add', 'promote', 'remove'].map((name) => `signing ${name}`),
        ...['list', 'diff', 'approve', 'quarantine'].map((name) => `tools ${name}`),
      ].sort(),
    );
  });

  it('passes serve and demo on with the configuration file', async () => {
    const seen: unknown[] = [];
    const start = async (options: object): Promise<number> => {
      seen.push(options);
      return 3;
    };
    expect((await runCommand(['serve'], { serve: start })).code).toBe(3);
    expect((await runCommand(['serve', '--config', 'other.yaml', '--workers', '0'], { serve: start })).code).toBe(3);
    expect((await runCommand(['--config', '/abs.yaml', 'serve'], { serve: start })).code).toBe(3);
    expect((await runCommand(['serve'], { serve: start, env: { KEYGATE_CONFIG: 'env.yaml' } })).code).toBe(3);
    expect((await runCommand(['demo', '--json'], { demo: start })).code).toBe(3);
    expect(seen).toEqual([
      { configFile: '/nowhere/config/keygate.yaml' },
      { configFile: '/nowhere/other.yaml', workers: 0 },
      { configFile: '/abs.yaml' },
      { configFile: '/nowhere/env.yaml' },
      { configFile: '/nowhere/config/keygate.yaml', json: true },
    ]);
  });

  it.each(['review', 'keys list --admin-url http://127.0.0.1:8081'])('says what is not in this build: %s', async (line) => {
    const ran = await runCommand(line.split(' '), overAuthority(createMemoryAuthority()));
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(/^keygate: .* not in this build\n$/);
    const json = await runCommand([...line.split(' '), '--json']);
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'NOT_IN_THIS_BUILD' } });
  });

  it.each(['nonsense', 'keys nonsense', 'keys show', 'keys list --nonsense', 'usage --limit 0', 'journal tail -n x'])(
    'is told apart from bad usage: %s',
    async (line) => {
      expect(await runCommand(line.split(' '))).toMatchObject({ code: 2, out: '' });
      const json = await runCommand([...line.split(' '), '--json']);
      expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'USAGE' } });
    },
  );

  it('helps', async () => {
    expect(await runCommand(['--version'])).toMatchObject({ code: 0, out: '9.9.9\n', err: '' });
    const help = await runCommand(['keys', 'mint', '--help']);
    expect(help).toMatchObject({ code: 0, err: '' });
    expect(help.out).toContain('--budget');
    expect(help.out).toContain('--json');
    expect(await runCommand([])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Usage: keygate') });
    expect(await runCommand(['keys'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Usage: keygate keys') });
  });

  it('tells an unexpected failure in one line, and the stack on request', async () => {
    const broken = {
      openAuthority: async (): Promise<never> => {
        throw new Error('disk on fire\u001b[31m\nsecond line');
      },
    };
    const ran = await runCommand(['keys', 'list'], broken);
    expect(ran).toMatchObject({ code: 1, out: '', err: 'keygate: failed: disk on fire\\u001b[31m (set KEYGATE_DEBUG=1 for the stack)\n' });
    const debug = await runCommand(['keys', 'list'], { ...broken, env: { KEYGATE_DEBUG: '1' } });
    expect(debug.err).toContain('    at ');
  });

  it('tells an expected failure with its lines', async () => {
    const refused = {
      openAuthority: async (): Promise<never> => {
        throw new CommandFailure('CONFIG_INVALID', 'the configuration cannot be used', { lines: ['a.yaml:1:2 listen: bad'] });
      },
    };
    expect((await runCommand(['keys', 'list'], refused)).err).toBe('keygate: the configuration cannot be used\na.yaml:1:2 listen: bad\n');
    expect(JSON.parse((await runCommand(['keys', 'list', '--json'], refused)).err)).toEqual({
      error: { code: 'CONFIG_INVALID', message: 'the configuration cannot be used', problems: [{ message: 'a.yaml:1:2 listen: bad' }] },
    });
  });
});

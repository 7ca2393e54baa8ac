import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDryRuns, openRules } from '../../../src/compose-dry-runs.ts';
import { prepareFolder } from '../../support/gateway.ts';
import { type Ran, runCommand } from './run-command.ts';

const root = resolve(import.meta.dirname, '../../..');
let prepared: Awaited<ReturnType<typeof prepareFolder>>;
let folder: string;

const tools = [
  { match: 'get', scope: 'read' },
  {
    match: 'pay',
    scope: 'trade',
    stepUp: true,
    when: 'request.address != "192.0.2.1"',
    limits: [
      { argument: 'amount', total: 10, per: 'day' },
      { hours: '08:00-18:00', zone: 'Europe/Berlin' },
    ],
  },
];

beforeAll(async () => {
  prepared = await prepareFolder({
    upstreams: {
      bank: { url: 'http://127.0.0.1:1/mcp', tools },
      own: { url: 'http://127.0.0.1:1/mcp', tools: 'annotations' },
    },
  });
  folder = await mkdtemp(join(tmpdir(), 'keygate-cases-'));
});

afterAll(async () => {
  await rm(prepared.folder, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

const place = () => ({ env: {}, cwd: prepared.folder });

async function rulesTest(text: string, ...more: string[]): Promise<Ran> {
  const file = join(folder, 'cases.yaml');
  await writeFile(file, text);
  return run(['rules', 'test', file, ...more]);
}

function run(argv: readonly string[]): Promise<Ran> {
  return runCommand(['--config', prepared.configFile, ...argv], {
    openRules: ({ configFile }) => openRules({ configFile, ...place() }),
    openDryRuns: ({ configFile }) => openDryRuns({ configFile, ...place() }),
  });
}

describe('rules test', () => {
  it('judges by the rules of the configuration', async () => {
    const ran = await rulesTest(`
- { key: { scopes: read }, upstream: bank, tool: get, expect: allowed, rule: "bank.tools[0]" }
- { key: { scopes: read }, upstream: bank, tool: pay, expect: INSUFFICIENT_SCOPE }
- { key: { scopes: [trade] }, upstream: bank, tool: pay, arguments: { amount: 5 }, expect: STEP_UP_REQUIRED }
- { key: { scopes: [trade], stepUp: true }, upstream: bank, tool: pay, arguments: { amount: 5 }, at: "2026-11-20T10:00:00Z", expect: allowed }
- { key: { scopes: [trade], stepUp: true }, upstream: bank, tool: pay, arguments: { amount: 5 }, at: "2026-11-20T17:00:00Z", expect: POLICY_DENIED }
- { key: { scopes: [trade], stepUp: true }, upstream: bank, tool: pay, arguments: { amount: 10.5 }, at: "2026-11-20T10:00:00Z", expect: POLICY_DENIED }
- { key: { scopes: [trade], stepUp: true }, upstream: bank, tool: pay, arguments: { amount: 5 }, address: 192.0.2.1, at: "2026-11-20T10:00:00Z", expect: POLICY_DENIED }
- { key: { scopes: [manage], environment: test }, upstream: bank, tool: get, expect: WRONG_ENVIRONMENT }
- { key: { scopes: [manage], kind: operator }, upstream: bank, tool: get, expect: WRONG_KEY_KIND }
- { key: { scopes: [manage], upstreams: own }, upstream: bank, tool: get, expect: TOOL_NOT_ALLOWED }
- { key: { scopes: [read] }, upstream: own, tool: x, annotations: { readOnlyHint: true }, expect: allowed, rule: own.annotations }
- { key: { scopes: [read] }, upstream: own, tool: x, expect: INSUFFICIENT_SCOPE }
- { key: { scopes: [read] }, upstream: nowhere, tool: x, expect: UNKNOWN_ENDPOINT }
`);
    expect(ran.out).toContain('13 cases, all as expected');
    expect(ran).toMatchObject({ code: 0, err: '' });
  });

  it('exits with 1 where a case comes out otherwise, and shows both answers', async () => {
    const text = `
- { name: wrong answer, key: { scopes: read }, upstream: bank, tool: get, expect: POLICY_DENIED }
- { name: wrong rule, key: { scopes: read }, upstream: bank, tool: get, expect: allowed, rule: "bank.tools[1]" }
- { name: right, key: { scopes: read }, upstream: bank, tool: get, expect: allowed }
`;
    const ran = await rulesTest(text);
    expect(ran.code).toBe(1);
    expect(ran.out).toMatch(/FAILED +wrong answer +bank get +POLICY_DENIED +allowed bank\.tools\[0\]/);
    expect(ran.out).toContain('3 cases, 2 otherwise');
    const json = await rulesTest(text, '--json');
    expect(json.document()).toMatchObject({
      ok: false,
      cases: [{ ok: false, expected: { answer: 'POLICY_DENIED' }, got: { answer: 'allowed' } }, { ok: false }, { ok: true }],
    });
  });

  it.each([
    ['[]', /small|least|empty/i],
    ['- { key: { scopes: read }, upstream: bank, tool: get, expect: maybe }', /cases\.yaml:1:\d+ \[0\]\.expect:/],
    ['- { key: { scopes: Read }, upstream: bank, tool: get, expect: allowed }', /\[0\]\.key\.scopes/],
    [
      '- { key: { scopes: read }, upstrem: bank, upstream: bank, tool: get, expect: allowed }',
      /1:28 \[0\]\.upstrem: is no member of a case/,
    ],
    ['- &a { key: { scopes: read } }\n- *a', /alias/],
    ['key: [', /YAML syntax/],
  ])('says where a file is wrong: %s', async (text, said) => {
    const ran = await rulesTest(text);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(said);
  });

  it('finds the cases of the example to be right for the default configuration', async () => {
    const shipped = join(root, 'config/keygate.yaml');
    const ran = await runCommand(['--config', shipped, 'rules', 'test', join(root, 'examples/rules/cases.yaml')], {
      // The default configuration names a store folder; the secrets are those of the prepared one.
      openRules: ({ configFile }) => openRules({ configFile, ...place() }),
    });
    expect(ran.out).toMatch(/all as expected/);
    expect(ran.code).toBe(0);
  });
});

describe('explain', () => {
  it.each([
    [['--upstream', 'bank', '--tool', 'get'], 'Give either'],
    [['--key-id', 'AbCd1234', '--key', 'x', '--upstream', 'bank', '--tool', 'get'], 'Give either'],
    [['--key-id', 'AbCd1234', '--upstream', 'bank', '--tool', 'get', '--arguments', '[1]'], 'not a JSON object'],
    [['--key-id', 'AbCd1234', '--upstream', 'bank', '--tool', 'get', '--arguments', '{"secret'], 'not a JSON object'],
    [['--key-id', 'AbCd1234', '--tool', 'get'], '--upstream'],
  ])('is usage: %j', async (options, said) => {
    const ran = await run(['explain', ...options]);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toContain(said);
    expect(ran.err).not.toContain('secret');
  });

  it('answers for an unknown key, and fails for an unknown id', async () => {
    const ran = await run(['explain', '--key', 'kg_live_nobody', '--upstream', 'bank', '--tool', 'get']);
    expect(ran.out).toMatch(/^decision +refused: TOKEN_INVALID$/m);
    expect(ran.code).toBe(0);
    const unknown = await run(['explain', '--key-id', 'nobody00', '--upstream', 'bank', '--tool', 'get', '--json']);
    expect(unknown.code).toBe(1);
    expect(JSON.parse(unknown.err)).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});

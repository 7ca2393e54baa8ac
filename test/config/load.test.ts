import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LoadOptions, loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { folderWith, secrets } from './folder.ts';

const defaultFile = join(import.meta.dirname, '..', '..', 'config', 'keygate.yaml');
const wiki = 'upstreams: { wiki: { url: "http://127.0.0.1:9001/mcp", tools: annotations } }\n';

async function load(text: string | Uint8Array, options: Partial<LoadOptions> & { name?: string } = {}) {
  const { name = 'keygate.yaml', ...rest } = options;
  const folder = folderWith({ ...secrets, [name]: text });
  return loadConfig({ file: name, env: {}, cwd: folder.path, ...rest });
}

async function config(text: string, options: Partial<LoadOptions> & { name?: string } = {}): Promise<Config> {
  const loaded = await load(text, options);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

async function problems(text: string | Uint8Array, options: Partial<LoadOptions> & { name?: string } = {}): Promise<string[]> {
  const loaded = await load(text, options);
  return loaded.ok ? [] : loaded.problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

describe('the default configuration', () => {
  it('runs as it is', async () => {
    const cwd = folderWith(secrets).path;
    const loaded = await loadConfig({ file: defaultFile, env: {}, cwd });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.warnings).toEqual([]);
    expect(loaded.sources).toEqual([defaultFile, ...['pepper', 'seal', 'signing.jwk'].map((name) => join(cwd, 'var', name))]);
    expect(loaded.config).toEqual({
      listen: { mcp: { host: '127.0.0.1', port: 8080 }, admin: { host: '127.0.0.1', port: 8081 }, trustedProxies: [], origins: [] },
      publicUrl: 'http://127.0.0.1:8080',
      store: { kind: 'folder', folder: join(cwd, 'var') },
      redis: { durability: 'server', replicas: 1, commandTimeoutMs: 2000 },
      workers: 1,
      keys: {
        prefix: 'kg',
        peppers: ['p'.repeat(40)],
        seal: ['s'.repeat(40)],
        signing: '{"keys":[{"kty":"EC"}]}',
        expiry: { defaultMs: 90 * 86_400_000, maxMs: 365 * 86_400_000, required: true },
        children: { depthMax: 3 },
        guards: { wildcard: 'warn', manage: 'warn', unbudgeted: 'warn', name: 'warn', duplicate: 'warn', expiry: 'warn' },
      },
      scopes: { hierarchy: ['read', 'trade', 'manage'] },
      upstreams: {
        demo: {
          name: 'demo',
          url: 'http://127.0.0.1:8090/mcp',
          transport: 'http',
          environment: 'live',
          credentials: [{ header: 'authorization', value: 'Bearer demo-backend-credential' }],
          tools: [
            { match: ['list_notes', 'get_note', 'search_notes'], scopes: ['read:demo'], price: 1000, limits: [], stepUp: false },
            { match: ['place_order'], scopes: ['trade:demo'], price: 50_000, when: 'args.quantity <= 100', limits: [], stepUp: false },
            { match: ['delete_note', 'admin_*'], scopes: ['manage:demo'], price: 10_000, limits: [], stepUp: false },
          ],
          resources: [{ match: ['notes://**'], scopes: ['read:demo'], price: 0, limits: [], stepUp: false }],
          prompts: [{ match: ['*'], scopes: ['read:demo'], price: 0, limits: [], stepUp: false }],
          methods: [],
          denials: 'jsonrpc',
          protocol: 'auto',
          breaker: { failures: 10, calls: 20, openForMs: 10_000 },
          limits: { concurrencyMax: 256, queueMax: 1000, connectionsMax: 256 },
          pinning: { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'quarantine', wording: 'report' } },
          passthrough: [],
        },
      },
      agents: {},
      bots: {},
      stepUp: { freshForMs: 300_000, operators: false },
      secrets: { refreshMs: 300_000 },
      journal: { arguments: 'hash', retainMs: 400 * 86_400_000 },
      budgets: { thresholds: [50, 80, 100] },
      webhooks: [],
      limits: {
        bodyBytesMax: 4 * 1024 ** 2,
        headerBytesMax: 16 * 1024,
        answerBytesMax: 16 * 1024 ** 2,
        eventBytesMax: 4 * 1024 ** 2,
        upstreamTimeoutMs: 60_000,
        holdMsMax: 120_000,
        headersTimeoutMs: 10_000,
        bodyTimeoutMs: 30_000,
        connectionsMax: 10_000,
        connectionsPerAddressMax: 8_000,
        requestsMax: 2_000,
        bodiesBytesMax: 268_435_456,
        loopLagMsMax: 500,
        streamsMax: 5000,
        streamsPerKeyMax: 100,
        streamsPerAddressMax: 5_000,
        heartbeatMs: 15_000,
        drainMsMax: 25_000,
        failedAuthPerMinuteMax: 1000,
        jsonDepthMax: 64,
        jsonNodesMax: 100_000,
        batchMax: 50,
        aggregateMemberMs: 5_000,
      },
    });
  });

  it('asks for `keygate init` when there are no secrets yet', async () => {
    const loaded = await loadConfig({ file: defaultFile, env: {}, cwd: folderWith().path });
    if (loaded.ok) throw new Error('accepted');
    expect(loaded.problems.map(({ path, hint }) => `${path} ${hint}`)).toEqual(
      ['pepper', 'seal', 'signing'].map((name) => `keys.${name} run \`keygate init\``),
    );
  });
});

describe('written forms', () => {
  it('reads every section', async () => {
    const text = `
listen: { mcp: "[::1]:0", admin: "LOCALHOST:9", trustedProxies: [10.0.0.0/8, "fd00::/8"], origins: ["https://app.example.com:8443", "chrome-extension://abc"] }
publicUrl: https://gate.example.com/base/
store: state/store
workers: 1
keys:
  prefix: acme1
  pepper: ["\${env:NEW}", "\${OLD}"]
  seal: "\${env:NEW}"
  signing: '{"keys":[{"kty":"OKP"}]}'
  expiry: { default: 12h, max: 2w, required: false }
  children: { depthMax: "\${DEPTH:-0}" }
  guards: { wildcard: refuse, duplicate: warn }
scopes: { hierarchy: [] }
agents: { devops-7f3a: { upstreams: ["\${NAME:-wiki}"], org: acme } }
bots: { ops-1a: { upstreams: [wiki] } }
upstreams:
  wiki:
    url: HTTPS://wiki.example.com
    transport: http
    environment: test
    credential: [{ header: X-Key, value: "\${OLD}" }, { header: Authorization, value: "Bearer \${OLD}" }]
    tools: annotations
    methods: [{ match: logging/setLevel, scope: [manage, "read:wiki"], price: "1" }]
    denials: tool-error
stepUp: { freshFor: 90s, operators: true }
journal: { arguments: none, retain: 500ms }
limits: { bodyBytesMax: 64KiB, answerBytesMax: 100, upstreamTimeoutMs: 5s, holdMsMax: "\${HOLD}" }
`;
    const read = await config(text, { env: { NEW: 'n'.repeat(32), OLD: 'o'.repeat(32), HOLD: '6000' } });
    expect(read).toMatchObject({
      listen: {
        mcp: { host: '::1', port: 0 },
        admin: { host: 'localhost', port: 9 },
        trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
        origins: ['https://app.example.com:8443', 'chrome-extension://abc'],
      },
      publicUrl: 'https://gate.example.com/base',
      keys: {
        prefix: 'acme1',
        peppers: ['n'.repeat(32), 'o'.repeat(32)],
        seal: ['n'.repeat(32)],
        signing: '{"keys":[{"kty":"OKP"}]}',
        expiry: { defaultMs: 43_200_000, maxMs: 1_209_600_000, required: false },
        children: { depthMax: 0 },
        guards: { wildcard: 'refuse', manage: 'warn', unbudgeted: 'warn', name: 'warn', duplicate: 'warn', expiry: 'warn' },
      },
      scopes: { hierarchy: [] },
      upstreams: {
        wiki: {
          url: 'https://wiki.example.com/',
          transport: 'http',
          environment: 'test',
          credentials: [
            { header: 'x-key', value: 'o'.repeat(32) },
            { header: 'authorization', value: `Bearer ${'o'.repeat(32)}` },
          ],
          tools: 'annotations',
          methods: [{ match: ['logging/setLevel'], scopes: ['manage', 'read:wiki'], price: 1_000_000, limits: [], stepUp: false }],
          denials: 'tool-error',
          protocol: 'auto',
        },
      },
      agents: { 'devops-7f3a': { name: 'devops-7f3a', upstreams: ['wiki'], org: 'acme' } },
      bots: { 'ops-1a': { name: 'ops-1a', upstreams: ['wiki'] } },
      stepUp: { freshForMs: 90_000, operators: true },
      journal: { arguments: 'none', retainMs: 500 },
      limits: { bodyBytesMax: 65_536, answerBytesMax: 100, upstreamTimeoutMs: 5000, holdMsMax: 6000 },
    });
    expect(read.store).toEqual({ kind: 'folder', folder: expect.stringMatching(/\/state\/store$/) });
  });

  it('takes the default secrets from the store folder that is written', async () => {
    const folder = folderWith({
      'x/pepper': 'q'.repeat(32),
      'x/seal': 'r'.repeat(32),
      'x/signing.jwk': secrets['var/signing.jwk'],
      'k.yaml': `store: \${WHERE}\n${wiki}`,
    });
    const loaded = await loadConfig({ file: 'k.yaml', env: { WHERE: join(folder.path, 'x') }, cwd: folder.path });
    expect(loaded).toMatchObject({ ok: true, config: { keys: { peppers: ['q'.repeat(32)], seal: ['r'.repeat(32)] } } });
  });

  it('reads a Redis store with all that goes with it, and takes the secrets from ./var', async () => {
    const url = 'rediss+sentinel://:p%40ss@[::1]:26379,h2/ledger/3';
    const text = `
store: "\${STORE}"
redis: { durability: replicated, replicas: "2", commandTimeoutMs: 1500ms }
journal: { archive: "s3://audit.acme/gate/eu/?region=eu-central-1&endpoint=http://127.0.0.1:9000/&pathStyle=true" }
budgets: { thresholds: [75, "90"] }
webhooks:
  - { url: "https://hooks.example.com/x?sig=1", secret: "whsec_\${BASE64}", kinds: [limit.threshold, key.expiring, limit.threshold] }
  - { url: "http://127.0.0.1:9/", secret: ["\${NEW}", "\${OLD}"], kinds: ["*"], timeoutMs: 3s }
upstreams:
  wiki:
    url: http://127.0.0.1:9001/mcp
    tools:
      - { match: a, scope: x, price: { max: "0.10", reported: example.com/cost }, lease: { calls: 50, ms: 2s } }
      - { match: b, scope: x, price: { max: "2", reported: cost, missing: none }, charge: { toolError: none, lost: none } }
      - { match: c, scope: x, charge: { error: full } }
    resources: [{ match: "**", scope: x, price: "1", charge: { timeout: none } }]
`;
    const env = { STORE: url, BASE64: Buffer.alloc(32, 7).toString('base64'), NEW: 'n'.repeat(24), OLD: 'o'.repeat(24) };
    const read = await config(text, { env });
    expect(read).toMatchObject({
      store: { kind: 'redis', url },
      redis: { durability: 'replicated', replicas: 2, commandTimeoutMs: 1500 },
      keys: { peppers: ['p'.repeat(40)] },
      budgets: { thresholds: [75, 90] },
    });
    expect(read.journal.archive).toEqual({
      ...{ kind: 's3', bucket: 'audit.acme', prefix: 'gate/eu', region: 'eu-central-1' },
      ...{ endpoint: 'http://127.0.0.1:9000', pathStyle: true },
    });
    expect(read.webhooks).toEqual([
      {
        ...{ url: 'https://hooks.example.com/x?sig=1', secrets: [`whsec_${env.BASE64}`] },
        ...{ kinds: ['limit.threshold', 'key.expiring'], timeoutMs: 10_000 },
      },
      { url: 'http://127.0.0.1:9/', secrets: [env.NEW, env.OLD], kinds: ['*'], timeoutMs: 3000 },
    ]);
    const rule = { scopes: ['x'], limits: [], stepUp: false };
    const full = { error: 'full', toolError: 'full', timeout: 'full', lost: 'full' };
    expect(read.upstreams.wiki?.tools).toEqual([
      { ...rule, match: ['a'], price: 100_000, reported: { name: 'example.com/cost', missing: 'full' }, lease: { calls: 50, ms: 2000 } },
      {
        ...{ ...rule, match: ['b'], price: 2_000_000, reported: { name: 'cost', missing: 'none' } },
        charge: { ...full, toolError: 'none', lost: 'none' },
      },
      { ...rule, match: ['c'], price: 0 },
    ]);
    expect(read.upstreams.wiki?.resources).toEqual([{ ...rule, match: ['**'], price: 1_000_000, charge: { ...full, timeout: 'none' } }]);
  });

  it('makes the folder of an archive absolute', async () => {
    const read = await config(`store: redis://h\njournal: { archive: ./sealed }\n${wiki}`);
    expect(read.journal.archive).toEqual({ kind: 'folder', folder: expect.stringMatching(/^\/.*\/sealed$/) });
  });

  it('shows an IPv6 listener in brackets in publicUrl', async () => {
    expect((await config(`listen: { mcp: "[::1]:8080" }\n${wiki}`)).publicUrl).toBe('http://[::1]:8080');
  });

  it('is frozen, and finds no upstream that was not configured', async () => {
    const read = await config(wiki);
    expect(() => Object.assign(read.listen.mcp, { port: 1 })).toThrow(TypeError);
    expect(read.upstreams.constructor).toBeUndefined();
    expect(read.upstreams.toString).toBeUndefined();
  });

  it('reads JSON with comments, trailing commas and tabs, and keeps positions', async () => {
    const text =
      '// one\n{\n\t"upstreams": { /* two */ "wiki": { "url": "http://127.0.0.1/mcp", // three "}\n\t\t"tools": "all",\n\t} },\n}\n';
    expect(await problems(text, { name: 'keygate.jsonc' })).toEqual(['4:3 upstreams.wiki.tools: must be annotations or a list']);
    expect(await problems(text, { name: 'keygate.conf' })).toEqual(['4:3 upstreams.wiki.tools: must be annotations or a list']);
    const fine = await config(text.replace('all', 'annotations'), { name: 'keygate.json' });
    expect(fine.upstreams.wiki?.url).toBe('http://127.0.0.1/mcp');
  });

  it('keeps positions behind a byte order mark and CRLF', async () => {
    expect(await problems(`\uFEFFworkers: 1\r\nlistn: {}\r\n${wiki}`)).toEqual(['2:1 listn: is not a known setting']);
  });
});

describe('all problems at once', () => {
  it('reports syntax after what stands before it, names, types, references and cross checks together, in the order of the file', async () => {
    const text = `
listn: {}
store: redis://a,b
keys: { pepper: "\${NOPE}", expiry: { default: 2d, max: 1d, required: 3 } }
upstreams:
  a__b: { url: 1, tools: [{ match: x, scope: y, price: 1 }] }
  c: { url: "http://u:p@h", tools: [{ match: x, scope: BAD, when: BAD }, { scope: [BAD] }] }
limits: { upstreamTimeoutMs: 200s, jsonDepthMax: -1 }
`;
    const check = (source: string): string | undefined => (source === 'BAD' ? 'is no good' : undefined);
    expect(await problems(text, { checkCondition: check, checkScope: check })).toEqual([
      '2:1 listn: is not a known setting',
      '3:1 store: names more than one host',
      '4:9 keys.pepper: needs the environment variable NOPE, which is not set',
      '4:38 keys.expiry.default: must not be longer than max',
      '4:60 keys.expiry.required: must be true or false',
      '6:3 upstreams.a__b: must not contain "__", which separates an upstream from its tool',
      '6:11 upstreams.a__b.url: must be a string',
      '6:49 upstreams.a__b.tools[0].price: must be a string or a mapping',
      '7:8 upstreams.c.url: must not contain a user name or password',
      '7:49 upstreams.c.tools[0].scope: is no good',
      '7:61 upstreams.c.tools[0].when: is no good',
      '7:74 upstreams.c.tools[1].match: is required',
      '7:84 upstreams.c.tools[1].scope[0]: is no good',
      '8:1 limits.holdMsMax: must be greater than upstreamTimeoutMs, or a hold could end while its call is still running',
      '8:36 limits.jsonDepthMax: must be greater than zero',
    ]);
  });

  it.each(['listen', 'store', 'redis', 'workers', 'keys', 'scopes', 'upstreams', 'journal', 'budgets', 'limits', 'publicUrl'])(
    'says so when %s is of any wrong type',
    async (member) => {
      for (const wrong of [
        '',
        '~',
        '[]',
        '[[]]',
        '{ x: ~ }',
        '3.5',
        'false',
        '{ mcp: ~, expiry: ~ }',
        '{ expiry: { default: ~ } }',
        '{ holdMsMax: ~ }',
      ]) {
        const lines = await problems(`${member}: ${wrong}\n${member === 'upstreams' ? '' : wiki}`);
        expect(lines.length, wrong).toBeGreaterThan(0);
        for (const line of lines) expect(line).toContain(member);
      }
    },
  );

  it('asks the caller about each condition and scope with the text after interpolation', async () => {
    const seen: string[] = [];
    const note = (text: string): undefined => void seen.push(text);
    const text = 'upstreams: { wiki: { url: "http://h", tools: [{ match: x, scope: ["read:${ORG}", b], when: "args.a == 1" }] } }';
    await config(text, { env: { ORG: 'acme' }, checkScope: note, checkCondition: note });
    expect(seen).toEqual(['read:acme', 'b', 'args.a == 1']);
  });
});

describe('A22: files that are made to harm', () => {
  it('refuses a file over 1 MiB, one that is not UTF-8, a folder and a missing file', async () => {
    expect(await problems(`${wiki}#${'x'.repeat(1024 * 1024)}`)).toEqual(['undefined:undefined : the file is larger than 1024 KiB']);
    expect(await problems(Buffer.from([0x61, 0x3a, 0xff]))).toEqual(['undefined:undefined : the file is not UTF-8 text']);
    const cwd = folderWith(secrets).path;
    expect(await loadConfig({ file: 'var', env: {}, cwd })).toMatchObject({
      ok: false,
      problems: [{ message: 'the file is a folder, not a file' }],
    });
    const missing = await loadConfig({ file: 'nowhere.yaml', env: {}, cwd });
    expect(missing).toEqual({
      ok: false,
      problems: [{ path: '', message: 'the file does not exist' }],
      sources: [join(cwd, 'nowhere.yaml')],
      fetches: false,
    });
  });

  it.each([['[ '], ['[\n'], ['{"a":'], ['- '], ['? ']])('survives ten thousand times %j', async (part) => {
    expect(await problems(part.repeat(10_000))).toEqual([expect.stringContaining('nests deeper than 64 levels')]);
  });

  it('never throws, whatever a file holds', async () => {
    const text = readFileSync(defaultFile, 'utf8');
    const folder = folderWith(secrets);
    const piece = fc.constantFrom(
      '"',
      "'",
      '{',
      '}',
      '[',
      ']',
      ':',
      '- ',
      '\n',
      '  ',
      '\t',
      '*a',
      '&a',
      '!!x',
      '<<: ',
      '? ',
      '|',
      '>',
      '#',
      '$' + '{',
      '%',
      '---\n',
      '\u0000',
      ',',
      '//',
      '/*',
    );
    const edit = fc.record({ at: fc.nat(text.length), drop: fc.nat(12), piece });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.constantFrom('a.yaml', 'a.json'), async (edits, name) => {
        const broken = edits.reduce((now, { at, drop, piece }) => now.slice(0, at) + piece + now.slice(at + drop), text);
        folder.write(name, broken);
        const loaded = await loadConfig({ file: name, env: {}, cwd: folder.path });
        if (!loaded.ok) expect(loaded.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 200, seed: 22 },
    );
  });

  it('reads many unknown names in linear time', async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `n${index}: 1\n`).join('');
    expect(await problems(`${wiki}${names}`)).toHaveLength(20_000);
  });

  it('reads many repeated names in linear time', async () => {
    const loaded = await load(`${wiki}x: {${'"a": 1, '.repeat(20_000)}}`);
    expect(loaded).toMatchObject({ ok: false });
  });

  it.each(['\n', ': ', '"', "'", '\n  evil: { url: "http://evil" }', '${env:OTHER}', '#', '{', '&a', '*a'])(
    'takes %j in a variable as text',
    async (value) => {
      const text = 'upstreams: { wiki: { url: "http://h", tools: [{ match: "${VALUE}x", scope: "a" }] } }';
      const loaded = await load(text, { env: { VALUE: value, OTHER: 'leak' } });
      if (value.includes('\n')) expect(loaded).toMatchObject({ ok: false, problems: [{ path: 'upstreams.wiki.tools[0].match' }] });
      else expect(loaded).toMatchObject({ ok: true, config: { upstreams: { wiki: { tools: [{ match: [`${value}x`] }] } } } });
    },
  );

  it('shows no control character of a name', async () => {
    const [line] = await problems(`"a\\e[31m\\n": 1\n${wiki}`);
    expect(line).toBe('1:1 ["a\\u001b[31m\\n"]: is not a known setting');
  });
});

describe('warnings', () => {
  it('names what may not be meant', async () => {
    const text = `
listen: { mcp: "0.0.0.0:8080", trustedProxies: [0.0.0.0/0] }
store: redis://:hunter2@h
webhooks: [{ url: "http://h/hunter2", secret: "${'hunter2'.repeat(4)}", kinds: [gap] }]
keys: { pepper: ${'x'.repeat(32)} }
upstreams:
  wiki: { url: "http://h", credential: { header: authorization, value: hunter2 } }
  docs: { url: "http://h", tools: annotations, credential: [{ header: authorization, value: "\${T:-x}" }, { header: x-key, value: hunter2 }] }
`;
    const loaded = await load(text);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(JSON.stringify(loaded.warnings)).not.toContain('hunter2');
    expect(loaded.warnings.map(({ path, message }) => `${path}: ${message}`).sort()).toEqual([
      'keys.pepper: is a secret written in this file',
      'listen.trustedProxies[0]: believes X-Forwarded-For from everyone',
      'publicUrl: is not set, and listen.mcp has no address that clients could use',
      'store: is a secret written in this file',
      'upstreams.docs.credential[1].value: is a secret written in this file',
      'upstreams.wiki.credential.value: is a secret written in this file',
      'upstreams.wiki: has no rules: every call to it is refused',
      'webhooks[0].secret: is a secret written in this file',
      'webhooks[0].url: sends records over the network in clear',
    ]);
  });
});

import { generateSync } from 'otplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAuthority } from '../../src/compose-store.ts';
import { type Ran, runCommand } from '../edges/cli/run-command.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';

let upstream: RecordingUpstream;
let gate: TestGateway;

beforeAll(async () => {
  upstream = await startRecordingUpstream({ sessions: false });
  const tools = [
    { match: 'tool_0', scope: 'read:up' },
    { match: 'tool_1', scope: 'manage:up', stepUp: true },
  ];
  gate = await startTestGateway({ upstreams: { up: upstreamConfig(upstream.url, { tools }) }, stepUp: { freshFor: '2m' } });
});
afterAll(async () => {
  await gate.close();
  await upstream.close();
});

/** One command beside the running gateway, over the same store. */
function keygate(...argv: string[]): Promise<Ran> {
  const place = { env: {}, cwd: gate.folder };
  return runCommand(['--config', gate.configFile, ...argv], {
    ...place,
    openAuthority: ({ configFile }) => openAuthority({ configFile, ...place }),
  });
}

const call = (key: string, tool: string) => post(`${gate.url}/mcp/up`, { key, body: toolCall(tool) });
const codeNow = (secret: string) => generateSync({ secret });

describe('a tool that needs a step-up', () => {
  it('is refused, and told how, until the key’s second factor was shown; then it is called', async () => {
    const { key, id } = await gate.mint({ scopes: ['manage'] });
    const other = await gate.mint({ scopes: ['manage'] });
    const before = upstream.requests.length;
    const refused = await call(key, 'tool_1');
    expect(refused.status).toBe(403);
    expect(refused.json.error).toMatchObject({ code: -31403, data: { reason: 'STEP_UP_REQUIRED', rule: 'up.tools[1]' } });
    expect(String(refused.json.error?.data['how'])).toContain(id);
    expect(refused.headers.get('www-authenticate')).not.toContain('error=');
    expect(upstream.requests.length).toBe(before);
    expect((await call(key, 'tool_0')).json.result).toBeDefined();

    const enrolled = await keygate('keys', 'enrol', id, '--json');
    expect([enrolled.code, enrolled.err]).toEqual([0, '']);
    const { secret, uri } = enrolled.document<{ secret: string; uri: string }>();
    expect(uri).toContain(`otpauth://totp/keygate:${id}?`);
    // Enrolled is not yet shown.
    expect((await call(key, 'tool_1')).json.error?.data['reason']).toBe('STEP_UP_REQUIRED');

    const passed = await keygate('keys', 'step-up', id, '--code', codeNow(secret), '--json');
    expect([passed.code, passed.err]).toEqual([0, '']);
    const { freshUntil } = passed.document<{ freshUntil: string }>();
    expect(Date.parse(freshUntil) - Date.now()).toBeGreaterThan(110_000);
    expect(Date.parse(freshUntil) - Date.now()).toBeLessThanOrEqual(120_000);
    expect((await call(key, 'tool_1')).json.result).toBeDefined();
    // For that key only.
    expect((await call(other.key, 'tool_1')).json.error?.data['reason']).toBe('STEP_UP_REQUIRED');

    expect((await gate.journal('stepup.enrolled')).at(-1)).toMatchObject({ keyId: id, via: 'cli' });
    expect((await gate.journal('stepup.passed')).at(-1)).toMatchObject({ keyId: id, freshUntil });
    expect((await gate.journal('call.refused')).at(-1)).toMatchObject({ keyId: other.id, reason: 'STEP_UP_REQUIRED', rule: 'up.tools[1]' });
    // I5: the secret was shown once and stands nowhere.
    expect(JSON.stringify(await gate.journal()) + gate.logged()).not.toContain(secret);
  });

  it('an access token shares the step-up of its key, and a child does not', async () => {
    const { key, id } = await gate.mint({ scopes: ['manage'] });
    const child = await gate.mint({ scopes: ['manage'], parentId: id });
    const { stepUp, callers, issueToken } = gate.gateway.composed;
    const caller = await callers.byKey(key);
    if (!caller) throw new Error('this key is not known');
    const { accessToken } = await issueToken({ caller });
    expect((await call(accessToken, 'tool_1')).json.error?.data['reason']).toBe('STEP_UP_REQUIRED');
    const { secret } = await stepUp.enrol(id, { via: 'cli' });
    expect(await stepUp.verify(id, codeNow(secret))).toMatchObject({ ok: true });
    expect((await call(accessToken, 'tool_1')).json.result).toBeDefined();
    expect((await call(child.key, 'tool_1')).json.error?.data['reason']).toBe('STEP_UP_REQUIRED');
  });
});

describe('the commands', () => {
  it('refuse a wrong code, then lock; nothing of it is in a text', async () => {
    const { id } = await gate.mint({ scopes: ['manage'] });
    const none = await keygate('keys', 'step-up', id, '--code', '123456', '--json');
    expect([none.code, JSON.parse(none.err).error.code]).toEqual([1, 'STEP_UP_NOT_ENROLLED']);
    const enrolled = await keygate('keys', 'enroll', id);
    expect(enrolled.code).toBe(0);
    expect(enrolled.out).toMatch(/^secret {2}[A-Z2-7]{32}\nuri {5}otpauth:/);
    for (const wanted of ['WRONG', 'WRONG', 'WRONG', 'WRONG', 'WRONG', 'LOCKED']) {
      const ran = await keygate('keys', 'step-up', id, '--code', 'none', '--json');
      expect([ran.code, ran.out, JSON.parse(ran.err).error.code]).toEqual([1, '', `STEP_UP_${wanted}`]);
    }
    const locked = await keygate('keys', 'step-up', id, '--code', '123456');
    expect(locked.err).toMatch(/none is looked at for a while\.\n {2}try again in (?:300|29\d) s\n$/);
    expect((await gate.journal('stepup.failed')).filter(({ keyId }) => keyId === id)).toHaveLength(5);
  });

  it('know the key, or say that there is none', async () => {
    for (const argv of [
      ['enrol', 'ZZZZ0000'],
      ['step-up', 'ZZZZ0000', '--code', '123456'],
    ]) {
      const ran = await keygate('keys', ...argv, '--json');
      expect([ran.code, JSON.parse(ran.err).error.code]).toEqual([1, 'NOT_FOUND']);
    }
    expect((await keygate('keys', 'step-up', 'ZZZZ0000')).code).toBe(2);
  });
});

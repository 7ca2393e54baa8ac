import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance-server/server.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { type InjectingProxy, startInjectingProxy } from '../support/injecting-proxy.ts';
import { type Known, oddities } from './known.ts';
import { type Check, runSuite, suites, tally } from './run-suite.ts';

/** For one suite, direct and through keygate. It waits for what servers do in their own time, some ten seconds in all. */
const bothMsMax = 170_000;

let fixture: ConformanceServer;
let gate: TestGateway;
let front: InjectingProxy;

beforeAll(async () => {
  fixture = await startConformanceServer();
  // The suite has no way to send a credential.
  front = await startInjectingProxy();
  const { credential, ...upstream } = upstreamConfig(fixture.url);
  // It plays a browser too: one on the server's own origin must be let in, one of another site must not. keygate lets in what is configured.
  const listen = { mcp: '127.0.0.1:0', admin: '127.0.0.1:0', origins: [front.origin] };
  gate = await startTestGateway({ listen, upstreams: { fixture: upstream } });
  const { key } = await gate.mint({ scopes: ['read'] });
  front.aim({ origin: gate.url, header: { name: 'authorization', value: `Bearer ${key}` } });
});

afterAll(async () => {
  await front.close();
  await gate.close();
  await fixture.close();
});

describe.each(suites)('$name', (suite) => {
  it('says of the fixture through keygate what it says of the fixture, check by check', { timeout: bothMsMax }, async () => {
    const [direct, gated] = await Promise.all([runSuite(suite, fixture.url), runSuite(suite, `${front.origin}/mcp/fixture`)]);
    console.info(`${suite.name}: direct ${counts(direct)}; through keygate ${counts(gated)}`);
    const odd = known(oddities, suite.name);
    expect(unsuccessful(direct)).toEqual(odd);
    expect(unsuccessful(gated)).toEqual(odd);
    expect(tally(gated)).toEqual(tally(direct));
  });
});

it('the journal has the intents of what the suites sent', async () => {
  const intents = await gate.journal('call.intent');
  const methods = new Set(intents.map(({ method }) => method));
  for (const method of ['tools/call', 'tools/list', 'resources/read', 'prompts/get', 'completion/complete', 'server/discover'])
    expect(methods).toContain(method);
});

function known(list: readonly Known[], suite: string): string[] {
  return list.flatMap((one) => (one.suite === suite ? [line(one)] : [])).sort();
}

/** Lines of what failed, was warned about or skipped, each once. */
function unsuccessful(checks: readonly Check[]): string[] {
  const bad = checks.filter(({ status }) => status !== 'SUCCESS' && status !== 'INFO');
  return [...new Set(bad.map(line))].sort();
}

function line({ scenario, id, status }: Pick<Check, 'scenario' | 'id' | 'status'>): string {
  return `${scenario} / ${id} / ${status}`;
}

function counts(checks: readonly Check[]): string {
  const of = (wanted: string) => checks.filter(({ status }) => status === wanted).length;
  const scenarios = new Set(checks.map(({ scenario }) => scenario)).size;
  return `${scenarios} scenarios, ${of('SUCCESS')} passed, ${of('FAILURE')} failed, ${of('WARNING')} warned, ${of('SKIPPED')} skipped`;
}

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance-server/server.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { type InjectingProxy, startInjectingProxy } from '../support/injecting-proxy.ts';
import { type Check, runSuite, suites, tally } from './run-suite.ts';

/** For one suite, direct and through keygate. Both suites wait for what servers do in their own time, up to a minute in all. */
const bothMsMax = 170_000;

let fixture: ConformanceServer;
let gate: TestGateway;
let front: InjectingProxy;

beforeAll(async () => {
  fixture = await startConformanceServer();
  const { credential, ...upstream } = upstreamConfig(fixture.url);
  gate = await startTestGateway({ upstreams: { fixture: upstream } });
  const { key } = await gate.mint({ scopes: ['read'] });
  // The suite has no way to send a credential.
  front = await startInjectingProxy(`${gate.url}/mcp/fixture`, { name: 'authorization', value: `Bearer ${key}` });
});

afterAll(async () => {
  await front.close();
  await gate.close();
  await fixture.close();
});

describe.each(suites)('$name', (suite) => {
  it('says the same of the fixture through keygate as of the fixture itself, check by check', { timeout: bothMsMax }, async () => {
    const [direct, gated] = await Promise.all([runSuite(suite, fixture.url), runSuite(suite, front.url)]);
    console.info(`${suite.name}: direct ${counts(direct)}; through keygate ${counts(gated)}`);
    expect(problemsOf(direct)).toEqual([]);
    expect(problemsOf(gated)).toEqual([]);
    expect(tally(gated)).toEqual(tally(direct));
  });
});

/** What failed or was warned about, with the suite's own words. */
function problemsOf(checks: readonly Check[]): Check[] {
  return checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
}

function counts(checks: readonly Check[]): string {
  const of = (wanted: string) => checks.filter(({ status }) => status === wanted).length;
  const scenarios = new Set(checks.map(({ scenario }) => scenario)).size;
  return `${scenarios} scenarios, ${of('SUCCESS')} passed, ${of('FAILURE')} failed, ${of('WARNING')} warned, ${of('SKIPPED')} skipped`;
}

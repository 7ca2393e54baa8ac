import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { openStream } from '../support/event-text.ts';
import { only } from '../support/misbehaviours.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

it('I3: a stream that answers a ping is cut like any other when its key is revoked', async () => {
  const { key, id } = await bench.gate.mint({ scopes: ['manage'] });
  bench.upstream.script(
    only('ping', (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"first"}}\n\n');
    }),
  );
  const stream = await openStream(bench.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${key}` },
    body: JSON.stringify({ jsonrpc: '2.0', id: 'p', method: 'ping' }),
  });
  await stream.seen(/first/);
  const { live } = bench.gate.gateway.composed;

  await bench.gate.authority.keyring.revoke(id, { reason: 'test', at: Date.now(), by: { via: 'cli' } });
  expect(await stream.ended).toContain('TOKEN_REVOKED');
  expect(live.size).toBe(0);
});

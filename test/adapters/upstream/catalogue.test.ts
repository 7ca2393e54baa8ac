import { expect, test } from 'vitest';
import { createCatalogue } from '../../../src/adapters/upstream/catalogue.ts';
import type { Upstreams } from '../../../src/ports/upstreams.ts';
import { steppedClock } from '../../ports/subject.ts';

/** An upstream whose tools are listed, and how often that was done. */
function prepare() {
  const clock = steppedClock();
  const seen = { lists: 0, tools: ['known'] };
  const upstreams: Upstreams = {
    dispatch(request, receiver) {
      const { id, method } = JSON.parse(String(request.body ?? '{}')) as { id?: number; method?: string };
      if (method === 'tools/list') seen.lists += 1;
      const result = method === 'tools/list' ? { tools: seen.tools.map((name) => ({ name })) } : {};
      setImmediate(() => {
        receiver.onHead(200, { 'content-type': 'application/json' });
        receiver.onChunk(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result })));
        receiver.onEnd();
      });
      return { resume: () => undefined, abort: () => undefined };
    },
  };
  const record = async () => undefined as never;
  return { clock, seen, catalogue: createCatalogue({ upstreams, ledger: { record }, clock, credentialsOf: () => [] }) };
}

test('a tool that is not listed is looked for anew at most every two seconds, however many ask at once', async () => {
  const { clock, seen, catalogue } = prepare();
  const ask = (tool: string) => Promise.all(Array.from({ length: 20 }, () => catalogue.annotationsOf('up', tool)));
  await ask('known');
  expect(seen.lists).toBe(1);
  clock.step(2_000);
  seen.tools = ['known', 'new'];
  expect(await ask('new')).toEqual(Array.from({ length: 20 }, () => ({})));
  expect(seen.lists).toBe(2);
  clock.step(1_999);
  await ask('never');
  expect(seen.lists).toBe(2);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { testSigner } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { everyLine, openJournalLife } from './journal-life.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test('where one partition is busy, the others are asked once for all segments, and lose nothing by it', async () => {
  const life = await openJournalLife(server.url, { signer: testSigner() });
  try {
    await life.journal.head();
    await server.cli(
      'EVAL',
      `local facts = '{"kind":"call.refused"}'
for at = 1, 9000 do redis.call('XADD', 'kg:{p7}:journal', string.format('%d-0', at), '1784116800000', facts) end
redis.call('SET', 'kg:{p7}:seq', '9000')`,
      '0',
    );
    for (let at = 0; at < 256; at += 5) await life.append(`p${at}`);
    await server.cli('CONFIG', 'RESETSTAT');
    await life.journal.checkpoint(life.clock.now());
    const [, readings = ''] = /cmdstat_xrange:calls=(\d+)/.exec(await server.cli('INFO', 'commandstats')) ?? [];
    // 257 partitions, then 500 entries of the busy one at a time.
    expect(Number(readings)).toBeLessThan(257 + 9000 / 500 + 100);
    expect(await everyLine(life.journal)).toHaveLength(9052);
    expect(await life.verify()).toMatchObject({ ok: true });
  } finally {
    await life.close();
  }
});

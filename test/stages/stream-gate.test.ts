import { expect, test } from 'vitest';
import type { Admitted } from '../../src/stages/reached.ts';
import type { ForwardPorts } from '../../src/stages/relay.ts';
import { createStreamGate } from '../../src/stages/stream-gate.ts';

test('a stream remembers only the newest requests of its server, so that one that lasts for days does not grow', () => {
  const seal = { seal: ({ plain }: { plain: string }) => `sealed ${(JSON.parse(plain) as { id: string }).id}` };
  const ports = { seal, clock: { now: () => 0 } } as unknown as ForwardPorts;
  const at = { endpoint: { kind: 'upstream', upstream: 'up' }, upstream: { name: 'up' }, caller: { key: { id: 'k' } }, era: 'session' };
  const gate = createStreamGate(ports, at as unknown as Admitted, undefined);
  const event = (message: object) => ({ name: 'message', text: JSON.stringify({ jsonrpc: '2.0', ...message }) }) as never;
  const cancel = (requestId: number) => gate.judge(event({ method: 'notifications/cancelled', params: { requestId } }));
  for (let id = 1; id <= 1_000; id += 1) expect(gate.judge(event({ id, method: 'ping' }))).toContain(`"sealed ${id}"`);
  expect(cancel(1_000)).toContain('"sealed 1000"');
  expect(cancel(901)).toContain('"sealed 901"');
  expect(cancel(1)).toBeUndefined();
});

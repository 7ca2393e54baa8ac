import { expect, test } from 'vitest';
import { createChildLog } from '../../../../src/adapters/upstream/stdio/child-log.ts';

function prepare() {
  let now = 0;
  const said: string[] = [];
  const say = (message: string, facts?: object): void => void said.push(`${message} ${JSON.stringify(facts)}`);
  const log = { note: say, warn: say, fault: () => undefined };
  const secrets = ['long-secret', 'long-secret-and-more', 'short'];
  const child = createChildLog({ upstream: 'up', secrets, log, clock: { monotonic: () => now } });
  const pass = (ms: number): void => {
    now += ms;
  };
  return { child, said, pass };
}

test('I5: secrets of its configuration and whatever looks like a credential are blanked out, and lines are cut', () => {
  const { child, said } = prepare();
  child.line('stderr', `a long-secret-and-more b long-secret c short d Bearer abc ${'x'.repeat(5_000)}`);
  child.line('stdout', '  ');
  expect(said.length).toBe(1);
  expect(said[0]).toContain('a [redacted] b [redacted] c short d [redacted]');
  expect(said[0]?.length).toBeLessThan(600);
});

test('a flood is cut to sixty lines a minute, and what was left out is counted', () => {
  const { child, said, pass } = prepare();
  for (let at = 0; at < 1_000; at += 1) child.line('stderr', `line ${at}`);
  expect(said.length).toBe(61);
  expect(said.at(-1)).toContain('lines are left out for a minute');
  pass(60_000);
  child.line('stderr', 'the next minute');
  expect(said.slice(61)).toEqual([
    'lines of a child were left out {"upstream":"up","lines":940}',
    'a child printed {"upstream":"up","stream":"stderr","text":"the next minute"}',
  ]);
});

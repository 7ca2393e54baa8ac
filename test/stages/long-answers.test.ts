import { describe, expect, it } from 'vitest';
import { ReadMemory } from '../../src/domain/read-memory.ts';
import { Scratch } from '../../src/domain/scratch.ts';
import { type Attempt, startAttempt } from './attempt.ts';

const answerBytesMax = 2_000_000;
const json = { 'content-type': 'application/json' };
const resultOf = (text: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } });

/** Sends the text in so many pieces, and ends. */
function say({ upstream }: Attempt, text: string, count: number): void {
  upstream.onHead(200, json);
  const bytes = Buffer.from(text);
  const size = Math.ceil(bytes.length / count);
  for (let at = 0; at < bytes.length; at += size) upstream.onChunk(Buffer.from(bytes.subarray(at, at + size)));
  upstream.onEnd();
}

describe('the memory that a long answer was read in (I4)', () => {
  /** As many connections would: each piece arrives where all others do. */
  const read = (memory: ReadMemory, { upstream }: Attempt, text: string): void => {
    upstream.onHead(200, json);
    for (let at = 0; at < text.length; at += 60_000)
      upstream.onChunk(memory.take(memory.landing.write(text.slice(at, at + 60_000), 'latin1')));
    upstream.onEnd();
  };

  it.each([
    ['tools/call', 10_000],
    ['tools/call', 50_000],
    ['tools/call', 150_000],
    ['resources/read', 150_000],
    ['tools/list', 50_000],
    ['tools/list', 150_000],
  ])('is lent to others only when the client has taken it: %s of %i bytes', async (method, length) => {
    const memory = new ReadMemory();
    const scratch = new Scratch();
    const text = (letter: string) =>
      JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools: [], contents: [], text: letter.repeat(length) } });
    const attempts: Attempt[] = [];
    for (const letter of 'abcdef') {
      const attempt = await startAttempt({ method, answerBytesMax, memory, scratch });
      read(memory, attempt, text(letter));
      attempts.push(attempt);
      expect((await attempt.settled).outcome).toMatchObject({ status: 200 });
      // Every other client is quick. What the slow ones wait for must still be theirs in the end.
      if (attempts.length % 2 === 0) {
        expect(attempt.got() === text(letter)).toBe(true);
        attempt.take();
      }
    }
    for (const [at, letter] of [...'abcdef'].entries()) if (at % 2 === 0) expect(attempts[at]?.got() === text(letter)).toBe(true);
  });

  it('serves again for the next answer', async () => {
    const memory = new ReadMemory();
    const attempt = await startAttempt({ answerBytesMax, memory });
    const text = resultOf('x'.repeat(50_000));
    const piece = memory.take(memory.landing.write(text, 'latin1'));
    attempt.upstream.onHead(200, json);
    attempt.upstream.onChunk(piece);
    attempt.upstream.onEnd();
    await attempt.settled;
    expect(memory.take(50_000).buffer).not.toBe(piece.buffer);
    attempt.take();
    expect(memory.take(50_000).buffer).toBe(piece.buffer);
  });
});

describe('a long answer that comes in pieces (I4)', () => {
  it.each(['tools/call', 'prompts/get', 'resources/read'])('%s: reaches the client as it came', async (method) => {
    for (const [length, count] of [
      [20_000, 2],
      [100_000, 3],
      [100_000, 64],
      [100_000, 65],
      [1_500_000, 24],
    ] as const) {
      const attempt = await startAttempt({ method, answerBytesMax });
      const text = resultOf(`${'x'.repeat(length)} é "\\\n`);
      say(attempt, text, count);
      expect((await attempt.settled).outcome).toMatchObject({ status: 200, reason: undefined });
      expect(attempt.got() === text).toBe(true);
    }
  });

  it('is not mixed with the next one, which is read in the same memory before the client has taken anything', async () => {
    const scratch = new Scratch();
    const texts = ['a', 'b', 'c'].map((letter) => resultOf(letter.repeat(100_000)));
    const attempts = await Promise.all(texts.map(() => startAttempt({ answerBytesMax, scratch })));
    for (const [at, attempt] of attempts.entries()) say(attempt, texts[at] ?? '', 2);
    for (const [at, attempt] of attempts.entries()) expect(attempt.got() === texts[at]).toBe(true);
  });

  it('is read whole before anything of it is sent: broken at its end, nothing is', async () => {
    const scratch = new Scratch();
    const before = await startAttempt({ answerBytesMax, scratch });
    // Longer, and well-formed: what it leaves in the memory must not complete the next one.
    say(before, resultOf('x'.repeat(100_001)), 2);
    const attempt = await startAttempt({ answerBytesMax, scratch });
    say(attempt, resultOf('x'.repeat(100_000)).slice(0, -1), 2);
    expect((await attempt.settled).outcome).toMatchObject({ ending: 'error', reason: 'UPSTREAM_FAILED' });
    expect(attempt.got()).toContain('UPSTREAM_FAILED');
    expect(attempt.got()).not.toContain('xxx');
  });

  it('lies in memory of its own where something of it is changed', async () => {
    const scratch = new Scratch();
    const changed = await startAttempt({ answerBytesMax, scratch, era: 'stateless', method: 'resources/read' });
    const next = await startAttempt({ answerBytesMax, scratch });
    const text = (letter: string, more: object) =>
      JSON.stringify({ jsonrpc: '2.0', id: 1, result: { ...more, contents: [{ uri: 'a://b', text: letter.repeat(50_000) }] } });
    say(changed, text('a', { cacheScope: 'public', ttlMs: 1 }), 2);
    say(next, text('b', {}), 2);
    expect(changed.got() === text('a', { cacheScope: 'private', ttlMs: 1 })).toBe(true);
  });
});

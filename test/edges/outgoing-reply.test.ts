import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { replyOn } from '../../src/edges/outgoing-reply.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Every byte there is, again and again: what is no UTF-8 too. */
function bytesOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 0xff));
}

async function answered(body: Buffer | readonly Buffer[], headers: Record<string, string>): Promise<Buffer> {
  const server = createServer((_incoming, outgoing) => {
    const reply = replyOn(outgoing, { always: {}, stallMsMax: 5_000 });
    reply.head(200, headers);
    reply.end(body);
  }).listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return Buffer.from(await response.arrayBuffer());
}

describe('an answer', () => {
  it.each([0, 1, 256, 8_191, 8_192, 8_193, 100_000])('of %i bytes, whatever they are, arrives as it is', async (length) => {
    const body = bytesOf(length);
    expect((await answered(body, { 'content-length': String(length) })).equals(body)).toBe(true);
    // Chunked: its length is Node's to count.
    expect((await answered(body, {})).equals(body)).toBe(true);
  });

  it('in pieces arrives whole, with its length and without', async () => {
    const body = bytesOf(300_000);
    const pieces = [body.subarray(0, 1), body.subarray(1, 65_536), body.subarray(65_536, 65_536), body.subarray(65_536)];
    expect((await answered(pieces, { 'content-length': '300000' })).equals(body)).toBe(true);
    expect((await answered(pieces, {})).equals(body)).toBe(true);
  });
});

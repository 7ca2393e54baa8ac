import { describe, expect, it } from 'vitest';
import type { Connected, ToolCall } from './connected.ts';
import { judgePair, type Operation } from './judge-pair.ts';
import { moduleClients } from './module-clients.ts';
import { programClients } from './program-clients.ts';
import { runMatrix } from './run-matrix.ts';
import { tellCounts, tellTable } from './tell-table.ts';
import { type MatrixUpstream, upstreams } from './upstreams.ts';

const clients = [...moduleClients, ...programClients];
const named = (names: readonly string[]) => clients.filter(({ name }) => names.includes(name));

/** A corner of `npm run compatibility`: every kind of client once, at the fixture of the era that it speaks. */
describe.each([
  ['fixture, sessions', ['SDK v1', 'SDK v2 legacy', 'Inspector CLI', 'mcp-remote']],
  ['fixture, 2026-07-28', ['SDK v2 modern', '@ai-sdk/mcp', '@openai/agents']],
] as const)('%s', (name, of) => {
  it(`serves ${of.join(', ')}`, async () => {
    const all = await runMatrix({ clients: named(of), upstreams: upstreams.filter((upstream) => upstream.name === name) });
    expect(all.length).toBe(of.length);
    for (const { client, pair } of all) {
      const { cancel, ...rest } = pair;
      expect(Object.values(rest)).toEqual(Object.values(rest).map(() => ({ status: 'ok' })));
      // In 2026-07-28 every client but the one that only makes single requests can.
      expect(cancel.status).toBe(client.noCancel === undefined || name === 'fixture, 2026-07-28' ? 'ok' : 'n/a');
    }
  });
});

describe('a cell is not ok because nothing threw', () => {
  const upstream: MatrixUpstream = {
    name: 'stand-in',
    transport: 'http',
    era: 'session',
    call: { tool: 'may', args: {}, expect: /^done$/ },
    stream: { tool: 'may', args: {}, expect: /^done$/ },
    refused: { tool: 'may-not', args: {} },
    start: () => Promise.reject(new Error('never started')),
  };
  const good: Connected = {
    list: async () => ['may'],
    call: async ({ tool }) => (tool === 'may' ? 'done' : Promise.reject(new Error('refused'))),
    stream: async () => ({ text: 'done', progress: 1 }),
    close: async () => {},
  };
  const judged = (connected: Partial<Connected>, sent: string[] = []) =>
    judgePair({
      client: { name: 'stand-in', package: '', era: 'session', connect: async () => ({ ...good, ...connected }) },
      upstream,
      running: { place: {}, heard: { messages: async () => sent, cancelled: async () => false }, close: async () => {} },
      url: '',
      key: '',
    });

  it('ok is ok, and a server without a long call has nothing to cancel', async () => {
    const all = [
      { client: { name: 'stand-in', package: '', era: 'session', connect: async () => good } as const, upstream, pair: await judged({}) },
    ];
    expect(tellCounts(all)).toBe('6 cells: 5 ok, 1 not applicable, 0 failed');
    expect(tellTable(all)).toContain('| stand-in | ok; cancel n/a (1) |\n\n1. no tool of this server runs long');
  });

  const lies: [Operation, string, Partial<Connected>][] = [
    ['list', 'a tool too many is listed', { list: async () => ['may', 'may-not'] }],
    ['list', 'a tool is missing', { list: async () => [] }],
    ['call', 'another answer came', { call: async () => 'something else' }],
    ['stream', 'no progress was shown', { stream: async () => ({ text: 'done', progress: 0 }) }],
    ['refuse', 'the client was not told', { call: async () => 'done' }],
  ];
  it.each(lies)('%s: %s', async (operation, _what, connected) => {
    expect((await judged(connected))[operation].status).toBe('failed');
  });

  it('refuse: the server heard of the call', async () => {
    const sent: string[] = [];
    const call = async ({ tool }: ToolCall): Promise<string> => {
      sent.push(JSON.stringify({ method: 'tools/call', params: { name: tool } }));
      return good.call({ tool, args: {} });
    };
    const pair = await judged({ call }, sent);
    expect(pair.call.status).toBe('ok');
    expect(pair.refuse).toEqual({ status: 'failed', why: 'the server heard of the refused call' });
  });
});

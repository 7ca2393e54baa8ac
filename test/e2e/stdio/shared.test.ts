import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectV1, connectV2Legacy, type V1Client } from '../../support/clients.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { stdioUpstream, textOf } from '../../support/stdio-upstream.ts';

let gate: TestGateway;
let key: string;

beforeAll(async () => {
  gate = await startTestGateway({ upstreams: { up: stdioUpstream({ process: 'shared' }) } });
  key = (await gate.mint({ scopes: ['read'] })).key;
});

afterAll(() => gate.close());

const connect = (options = {}) => connectV1(`${gate.url}/mcp/up`, key, options);
const call = async (client: V1Client, name: string, args: Record<string, unknown> = {}) =>
  textOf(await client.callTool({ name, arguments: args }));

describe('one child for all', () => {
  it('100 clients with the same ids and shuffled delays each get their own answer', async () => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect()));
    const rounds = await Promise.all(
      clients.map(async (client, at) => {
        const answers: unknown[] = [];
        for (let round = 0; round < 3; round += 1) {
          answers.push(await call(client, 'echo', { client: at, round, delayMs: (at * 37 + round * 53) % 101 }));
        }
        return answers;
      }),
    );
    const wrong = rounds.flatMap((answers, at) =>
      answers.filter((answer, round) => {
        const { client, round: answered } = answer as { client: number; round: number };
        return client !== at || answered !== round;
      }),
    );
    const calls = (await call(clients[0] as V1Client, 'seen')) as { method: string; id: unknown }[];
    const ids = calls.filter(({ method }) => method === 'tools/call').map(({ id }) => id);
    console.info(
      `100 clients, 300 calls on one child: ${rounds.flat().length - wrong.length} own answers, ${wrong.length} others', ${new Set(ids).size} ids`,
    );
    expect(wrong).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(calls.filter(({ method }) => method === 'initialize').length).toBe(1);
    await Promise.all(clients.map((client) => client.close()));
  });

  it('answers initialize in the version that the client speaks', async () => {
    const v1 = await connect();
    const v2 = await connectV2Legacy(`${gate.url}/mcp/up`, key);
    expect(v1.getServerVersion()?.name).toBe('stdio-server');
    expect(await v2.ping()).toBeDefined();
    await v1.close();
    await v2.close();
  });
});

import { readSighting } from '../../../src/domain/tool-definition.ts';
import { judgeSighting } from '../../../src/domain/tool-pin.ts';
import { pinFacts } from '../../../src/domain/tool-pin-record.ts';
import type { World } from './world.ts';

/** How an operation is asked so that it succeeds, and so that it contradicts what stands already. */
export interface Example {
  /** What stands for `{id}`. */
  readonly id?: (world: World) => Promise<string>;
  readonly body?: (world: World, id: string) => Promise<object> | object;
  readonly query?: string;
  /** A request that is answered 409, besides one whose Idempotency-Key is running. */
  readonly conflict?: (world: World) => Promise<{ id: string; body?: object }>;
  /** The operation asks for a thing by its body or query: what makes that 404. */
  readonly missing?: { readonly body?: object; readonly query?: string };
}

const anyKey = async (world: World): Promise<string> => (await world.key()).id;

const revoked = async (world: World): Promise<string> => {
  const { id } = await world.key();
  await world.ask('POST', `/keys/${id}/revoke`);
  return id;
};

let accounts = 0;
const account = async (world: World): Promise<string> => {
  accounts += 1;
  const id = `account-${accounts}`;
  await world.ask('POST', '/accounts', { body: { id } });
  return id;
};

let tools = 0;
/** A tool that was seen once, as `<upstream>/<tool>`. */
const tool = async ({ gateway }: World): Promise<string> => {
  tools += 1;
  const name = `get_${tools}`;
  const sighting = readSighting(Buffer.from(JSON.stringify({ name })));
  const terms = { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'quarantine', wording: 'report' } } as const;
  const { pin } = judgeSighting(undefined, sighting, { upstream: 'up', tool: name, terms, now: 1 });
  await gateway.authority.pins.put({ pin, expected: 0, record: pinFacts('tool.pinned', pin) });
  return `up/${name}`;
};
const definitionOf = async (world: World, id: string): Promise<string> =>
  ((await world.ask('GET', `/tools/${id}`)).json as unknown as { definition?: string }).definition ?? 'f'.repeat(64);

/** One entry for each operation of the API: an operation without one fails the contract test. */
export const examples: Readonly<Record<string, Example>> = {
  mintKey: { body: () => ({ orgId: 'acme', name: 'nightly wiki reader', scopes: ['read:up'], expires_days: 30 }) },
  mintChild: { id: anyKey, body: () => ({ name: 'narrower wiki reader', ttl: '5m' }) },
  listKeys: { query: 'limit=2&kind=agent' },
  showKey: { id: anyKey },
  changeKey: {
    id: anyKey,
    body: () => ({ purpose: 'reads the wiki at night', budgets: [{ amount: '1.50', per: 'day' }] }),
    conflict: async (world) => ({ id: await revoked(world), body: { purpose: 'anything' } }),
  },
  deleteKey: { id: anyKey },
  rotateKey: { id: anyKey, body: () => ({ overlap: '15m' }), conflict: async (world) => ({ id: await revoked(world) }) },
  revokeKey: { id: anyKey, body: () => ({ reason: 'no longer needed' }) },
  revokeKeys: {
    async body(world) {
      await world.key({ agentId: 'retired' });
      return { agentId: 'retired', reason: 'the agent is gone' };
    },
  },
  reissueKey: { id: anyKey, body: () => ({ ttl: '1h' }), conflict: async (world) => ({ id: await revoked(world) }) },
  stepUp: { body: () => ({ code: '000000' }) },
  enrolStepUp: { id: anyKey },
  verifyKey: { body: async (world) => ({ key: (await world.key()).key, scope: 'read:up', upstream: 'up', tool: 'get_page' }) },
  explain: {
    body: async (world) => ({ keyId: (await world.key()).id, upstream: 'up', tool: 'get_page', arguments: { title: 'Home' } }),
    missing: { body: { keyId: 'zzzzzzzz', upstream: 'up', tool: 'get_page' } },
  },
  me: {},
  issueAccessToken: { body: () => ({ ttl: '90s' }) },
  createAccount: {
    body: () => {
      accounts += 1;
      return { id: `account-${accounts}` };
    },
    conflict: async (world) => ({ id: '', body: { id: await account(world) } }),
  },
  showAccount: { id: account },
  creditAccount: {
    id: account,
    body: () => ({ amount: '25.00', reference: 'invoice-1' }),
    async conflict(world) {
      const id = await account(world);
      await world.ask('POST', `/accounts/${id}/credit`, { body: { amount: '1.00', reference: 'invoice-2' } });
      return { id, body: { amount: '2.00', reference: 'invoice-2' } };
    },
  },
  limitAccount: {
    id: account,
    body: () => ({ budgets: [{ amount: '50.00', per: 'day', tool: 'get_*', soft: true }], caps: [{ calls: 1000, per: 'hour' }] }),
  },
  adjustAccount: {
    id: account,
    body: () => ({ amount: '2.50', reference: 'correction-1', reason: 'credited to another account by mistake' }),
    async conflict(world) {
      const id = await account(world);
      return { id, body: { amount: '-1', reference: 'correction-2', reason: 'more than there is' } };
    },
  },
  listUsage: { query: 'limit=1', missing: { query: 'keyId=zzzzzzzz' } },
  readJournal: { query: 'kind=key.minted&limit=2' },
  verifyJournal: {},
  listUpstreams: {},
  listTools: { query: 'upstream=up&state=pinned&limit=2', missing: { query: 'upstream=elsewhere' } },
  showTool: { id: tool },
  approveTool: {
    id: tool,
    body: async (world, id) => ({ definition: await definitionOf(world, id) }),
    conflict: async (world) => ({ id: await tool(world), body: { definition: 'f'.repeat(64) } }),
  },
  quarantineTool: { id: tool, body: () => ({ reason: 'its wording steers the model' }) },
  reportLeak: { body: async (world) => ({ key: (await world.key()).key }), missing: { body: { id: 'zzzzzzzz' } } },
};

import { patch } from '../../src/authority/patch.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { pairOf, upstreamEndings } from './faults.ts';
import { credit } from './keys.ts';
import { type SimulatedKey, toolTerms } from './model.ts';
import { scopeOf } from './policy.ts';
import type { Replica } from './replica.ts';
import type { Exchange } from './upstream.ts';
import type { Running, World } from './world.ts';

const by = { via: 'cli' } as const;
const minute = 60_000;

/** What a run remembers of every request, also of those that have ended. */
export interface Story {
  readonly all: Running[];
  /** How the attempt of a request was ended, by its request id. */
  readonly endings: Map<string, string>;
  /** When a key was revoked, in virtual milliseconds. */
  readonly revokedAt: Map<string, number>;
  named: number;
}

type Act = (world: World, story: Story) => Promise<void> | void;

/** What may happen in a step, and how often against the others. */
export const acts: readonly (readonly [weight: number, act: Act])[] = [
  [36, begin],
  [24, endExchange],
  [14, ({ time, chance }) => time.pass(chance.between(0, 60))],
  [8, ({ time, chance }) => time.pass(chance.between(100, 3_000))],
  [1, ({ time, chance }) => time.pass(chance.between(10_000, 40_000))],
  [5, leave],
  [5, ({ weather }) => weather.change()],
  [2, openStream],
  [2, notify],
  [1, revokeOne],
  [2, narrowOne],
  [1, crash],
  [1, jump],
  [1, (world) => credit(world, world.chance.between(1, 10) * 50_000)],
];

function begin(world: World, story: Story): void {
  const { chance } = world;
  const key = someKey(world);
  const tool = `${chance.of(toolTerms).prefix}${chance.between(1, 3)}`;
  story.named += 1;
  const mark = `mark-${story.named}`;
  const id = chance.is(0.3) ? 'same-id' : `id-${story.named}`;
  const ping = chance.is(0.06);
  const call = { method: 'tools/call', params: { name: tool, arguments: { mark } } };
  const body = { jsonrpc: '2.0', id, ...(ping ? { method: 'ping' } : call) };
  const unknown = chance.is(0.04);
  const authorization = `Bearer ${unknown ? key.key.slice(0, -1) : key.key}`;
  const about = {
    requestId: `q${story.named}`,
    replica: someReplica(world),
    keyId: unknown ? undefined : key.id,
    id,
    mark: ping ? '' : mark,
  };
  story.all.push(world.begin({ ...about, kind: ping ? 'ping' : 'call', authorization, body }));
}

function openStream(world: World, story: Story): void {
  const key = someKey(world);
  story.named += 1;
  const about = { requestId: `q${story.named}`, replica: someReplica(world), keyId: key.id, id: '', mark: '' };
  story.all.push(world.begin({ ...about, kind: 'stream', authorization: `Bearer ${key.key}` }));
}

function endExchange(world: World, story: Story): void {
  const exchange = someExchange(world, ({ isStream }) => !isStream);
  if (exchange) endAs(world, story, exchange, world.chance.of(upstreamEndings));
}

export function endAs({ met }: World, { endings }: Story, exchange: Exchange, how: (typeof upstreamEndings)[number]): void {
  met.add(pairOf(how, 'forward'));
  if (how !== 'stays silent' && !endings.has(exchange.requestId)) endings.set(exchange.requestId, how);
  exchange.end(how);
}

function notify(world: World): void {
  someExchange(world, ({ isStream }) => isStream)?.notify();
}

function leave({ chance, running, met }: World): void {
  const waiting = [...running].filter(({ client }) => client.state === 'waiting');
  if (waiting.length === 0) return;
  const one = chance.of(waiting);
  if (one.stage) met.add(pairOf('client leaves', one.stage));
  one.client.leave();
}

async function revokeOne(world: World, { revokedAt }: Story): Promise<void> {
  const key = someKey(world);
  world.happened('key revoked', ({ keyId }) => world.model.keys.get(keyId ?? '')?.line.includes(key.id) ?? false);
  await revoke(world.authority, key.id, { by });
  if (!revokedAt.has(key.id)) revokedAt.set(key.id, world.time.elapsed);
}

async function narrowOne(world: World): Promise<void> {
  const key = someKey(world);
  const rank = Math.min(key.rank - 1, ...key.line.slice(1).map((id) => world.model.keys.get(id)?.rank ?? 0));
  if (rank < 0 || key.line.some((id) => isDead(world, id))) return;
  world.happened('key narrowed', ({ keyId }) => world.model.keys.get(keyId ?? '')?.line.includes(key.id) ?? false);
  await patch(world.authority, key.id, { scopes: [scopeOf(rank)] }, by);
}

function isDead({ model, clock }: World, id: string): boolean {
  const key = model.keys.get(id);
  return !key || key.revoked || clock.now() >= key.expiresAt;
}

/** The process is gone at once, with everything that it had begun; another takes its place and captures what it held. */
async function crash(world: World): Promise<void> {
  const dead = someReplica(world);
  world.happened('crash', ({ replica }) => replica === dead);
  dead.alive = false;
  for (const one of [...world.running]) {
    if (one.replica !== dead) continue;
    one.troubled = true;
    one.client.leave();
    world.running.delete(one);
  }
  world.startReplica();
  await world.authority.ledger.sweep({ now: world.clock.now(), orphaned: (owner) => owner === dead.name });
}

function jump({ clock, chance, happened, running }: World): void {
  happened('clock jumps');
  // A jump ahead is the end of holds that run; what comes later corrects the record.
  for (const one of running) one.troubled = true;
  clock.jump(chance.of([-20, -1, 1, 20]) * minute);
}

function someKey({ chance, model }: World): SimulatedKey {
  return chance.of([...model.keys.values()]);
}

function someReplica({ chance, replicas }: World): Replica {
  return chance.of(replicas.filter(({ alive }) => alive));
}

function someExchange({ chance, exchanges }: World, which: (exchange: Exchange) => boolean): Exchange | undefined {
  for (const one of exchanges) if (!one.open) exchanges.delete(one);
  const open = [...exchanges].filter(which);
  return open.length === 0 ? undefined : chance.of(open);
}

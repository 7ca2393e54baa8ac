import type { Explanation } from '../../domain/explanation.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { ArgumentTotal, LimitBreach } from '../../ports/ledger.ts';
import { type ExplainPorts, explain } from '../../stages/explain.ts';
import type { RuleBench } from './rule-bench.ts';
import type { RuleCase } from './rule-cases.ts';

/** Judges one case by the rules alone: the gateway's own dry run, for a key with no limits of its own that has spent nothing. */
export async function judgeCase(bench: RuleBench, { key, upstream, tool, at, ...call }: RuleCase): Promise<Explanation> {
  const now = at === undefined ? bench.now() : Date.parse(at);
  const ports: ExplainPorts = {
    ledger: { usage: async () => [], preview: async ({ totals = [] }) => overdrawn(totals) },
    catalogue: { annotationsOf: async () => hints(call.annotations) },
    toolPins: { ready: async () => undefined, heldBack: async () => undefined, sight: () => new Set() },
    stepUp: { freshUntil: async () => (key.stepUp ? now + 1 : 0) },
    seal: {
      seal() {
        throw new Error('a dry run has nothing to seal');
      },
      open: () => undefined,
    },
  };
  const { policy } = bench;
  const { method, address } = call;
  return await explain(ports, {
    policy,
    caller: await bench.callerOf(recordOf(key, now)),
    upstream,
    method,
    tool,
    arguments: call.arguments,
    now,
    address,
  });
}

function hints({ readOnlyHint, destructiveHint }: RuleCase['annotations']) {
  return { ...(readOnlyHint !== undefined && { readOnlyHint }), ...(destructiveHint !== undefined && { destructiveHint }) };
}

/** The first running total that one call alone is too much for. */
function overdrawn(totals: readonly ArgumentTotal[]): LimitBreach | undefined {
  const total = totals.find(({ amount, limit }) => amount > limit);
  if (!total) return undefined;
  const { name, per, limit } = total;
  return { reason: 'POLICY_DENIED', limitName: `total ${name} ${per}`, unit: 'micros', limit, spent: 0, held: 0 };
}

function recordOf({ org, agent, bot, scopes, kind, environment, tools, upstreams }: RuleCase['key'], now: number): KeyRecord {
  return {
    id: 'Case0000',
    name: 'case',
    ...{ kind, environment, scopes, tools, upstreams },
    prefix: `kg_${environment}_Case0000`,
    last4: '0000',
    ...(org !== undefined && { orgId: org }),
    ...(agent !== undefined && { agentId: agent }),
    ...(bot !== undefined && { botId: bot }),
    parentIds: [],
    budgets: [],
    caps: [],
    addresses: [],
    createdAt: now,
    revision: 1,
    digests: [],
  };
}

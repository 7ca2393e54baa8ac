import { z } from '@hono/zod-openapi';
import { type ToolView, viewTool } from '../../authority/tool-view.ts';
import type { UpstreamConfig } from '../../config/schema.ts';
import type { RuleConfig } from '../../config/schema-upstream.ts';
import { formatMicros } from '../../domain/money.ts';
import type { ChargeTerms, Subject } from '../../domain/policy.ts';
import { type Operation, operation } from './operation.ts';
import { pageOf } from './schemas.ts';

const portion = z.enum(['full', 'none']);

const ruleSchema = z
  .object({
    id: z.string().openapi({ example: 'wiki.tools[0]' }),
    subject: z.enum(['tools', 'resources', 'prompts', 'methods']),
    match: z.array(z.string()),
    scopes: z.array(z.string()),
    price: z.string().openapi({ description: 'What is held for one call; where the upstream reports the cost, the most that it may be.' }),
    reported: z
      .object({ name: z.string().openapi({ example: 'example.com/cost' }), missing: portion })
      .optional()
      .openapi({ description: "The name in a result's _meta that states its cost, and what is charged where no cost can be read." }),
    charge: z
      .object({ error: portion, toolError: portion.optional(), timeout: portion, lost: portion })
      .optional()
      .openapi({ description: 'What is charged of a call that brought nothing. Absent where all of it is, however the call ends.' }),
    lease: z
      .object({ calls: z.int(), ms: z.int() })
      .optional()
      .openapi({ description: 'How many calls a replica may take from the ledger at once, and for how long.' }),
    when: z.string().optional(),
    stepUp: z.boolean(),
    limits: z.array(z.unknown()),
  })
  .openapi('Rule');

const upstreamSchema = z
  .object({
    name: z.string(),
    environment: z.enum(['live', 'test']),
    path: z.string(),
    revision: z.string().openapi({ description: 'Changes whenever any rule does.' }),
    annotated: z.boolean().openapi({ description: 'No tool rules are written: each tool needs the scope that its annotations suggest.' }),
    rules: z.array(ruleSchema),
    pinning: z.enum(['off', 'first-sight', 'approve']),
    tools: z
      .array(z.object({ tool: z.string(), state: z.enum(['pinned', 'quarantined', 'pending']), cause: z.string().nullable() }))
      .openapi({ description: 'Tools that were seen. `/tools` says more of each.' }),
  })
  .openapi('Upstream');

export const upstreamsOperation: Operation = operation({
  ...{ verb: 'get', path: '/upstreams', name: 'listUpstreams', tag: 'configuration', listeners: ['admin'] },
  summary: 'The configured upstreams, and the scopes and price that each of their rules asks for. First match wins.',
  ...{ permission: 'upstreams.read', refusals: [] },
  success: { status: 200, schema: pageOf(upstreamSchema), description: 'Every upstream.' },
  async act({ upstreams, policy, authority }) {
    const compiled = policy().upstreams;
    const data = await Promise.all(
      upstreams().map(async (upstream) => ({
        ...viewUpstream(upstream, compiled.get(upstream.name)?.policy.revision ?? ''),
        pinning: upstream.pinning.mode,
        tools: (await authority.pins.of(upstream.name)).map((pin) => seenTool(viewTool(pin, upstream.pinning))),
      })),
    );
    return { status: 200, body: { data, nextCursor: null } };
  },
});

function seenTool({ tool, state, cause }: ToolView): object {
  return { tool, state, cause };
}

/** Neither the address of an upstream nor its credential is shown (I5). */
function viewUpstream(upstream: UpstreamConfig, revision: string): object {
  const { name, environment, tools, resources, prompts, methods } = upstream;
  const annotated = tools === 'annotations';
  const sections: readonly [Subject, readonly RuleConfig[]][] = [
    ['tools', annotated ? [] : tools],
    ['resources', resources],
    ['prompts', prompts],
    ['methods', methods],
  ];
  const rules = sections.flatMap(([subject, written]) =>
    written.map((rule, at) => viewRule(rule, { id: `${name}.${subject}[${at}]`, subject })),
  );
  return { name, environment, path: `/mcp/${name}`, revision, annotated, rules };
}

function viewRule(rule: RuleConfig, place: { id: string; subject: Subject }): object {
  const { match, scopes, price, reported, charge, lease, when, stepUp, limits } = rule;
  return {
    ...place,
    match,
    scopes,
    price: formatMicros(price),
    ...(reported && { reported }),
    ...(charge && { charge: viewCharge(charge, place.subject) }),
    ...(lease && { lease }),
    ...(when === undefined ? {} : { when }),
    stepUp,
    limits: limits.map(viewLimit),
  };
}

/** Only a tool's result can say that it is an error. */
function viewCharge(charge: ChargeTerms, subject: Subject): object {
  const { toolError, ...others } = charge;
  return subject === 'tools' ? { ...others, toolError } : others;
}

/** Amounts of a risk limit are millionths inside and decimal strings outside, as money is. */
function viewLimit(limit: RuleConfig['limits'][number]): object {
  if (limit.kind === 'max') return { ...limit, max: formatMicros(limit.max) };
  if (limit.kind === 'total') return { ...limit, limit: formatMicros(limit.limit) };
  return limit;
}

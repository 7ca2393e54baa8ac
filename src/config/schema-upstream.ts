import * as z from 'zod';
import type { Micros } from '../domain/money.ts';
import type { ChargeTerms, Lease, Protocol, ReportedPrice, RiskLimit } from '../domain/policy.ts';
import type { RouteConfig } from '../domain/route.ts';
import type { PinTerms } from '../domain/tool-pin.ts';
import type { BreakerTerms, UpstreamLimits } from '../domain/upstream-terms.ts';
import { readHttpUrl } from './addresses.ts';
import { readCredentialHeader, readCredentialValue } from './credential.ts';
import type { Reading } from './problems.ts';
import { checked, meaning, oneOrMore } from './reading.ts';
import { chargeSchema, leaseSchema, priceSchema, toolChargeSchema } from './schema-charge.ts';
import { breakerSchema, upstreamLimitsSchema } from './schema-health.ts';
import { passthroughSchema } from './schema-passthrough.ts';
import { pinningSchema } from './schema-pinning.ts';
import { riskLimitsSchema } from './schema-risk.ts';
import { type StdioConfig, stdioMembers } from './schema-stdio.ts';

export interface RuleConfig {
  /** Glob patterns, in the order written. */
  match: string[];
  /** All of them are needed. */
  scopes: string[];
  /** What is held for one call. */
  price: Micros;
  /** Present where the upstream reports what a call cost. */
  reported?: ReportedPrice;
  /** Absent where every call that was sent is charged in full. */
  charge?: ChargeTerms;
  /** Rules of tools alone have one. */
  lease?: Lease;
  /** Source of a CEL condition. */
  when?: string;
  /** Rules of tools alone have any. */
  limits: RiskLimit[];
  /** Whether a second factor must have been passed a short while ago. */
  stepUp: boolean;
}

export interface UpstreamConfig {
  name: string;
  /** Where it is: its URL, or `stdio:<name>`. */
  url: string;
  transport: 'http' | 'sse' | 'stdio';
  /** Present where it is started by a command. */
  stdio?: StdioConfig;
  environment: 'live' | 'test';
  /** Header names in lower case, each once. */
  credentials: { header: string; value: string }[];
  /** `annotations`: the scope a tool needs follows from what the upstream says about it. */
  tools: RuleConfig[] | 'annotations';
  resources: RuleConfig[];
  prompts: RuleConfig[];
  methods: RuleConfig[];
  protocol: Protocol;
  /** `false` = the upstream is always called. */
  breaker: BreakerTerms | false;
  limits: UpstreamLimits;
  pinning: PinTerms;
  denials: 'jsonrpc' | 'http' | 'tool-error';
  /** First match wins; nothing else of the server is reached. */
  passthrough: RouteConfig[];
}

const pattern = checked((text) => {
  if (text === '' || text.length > 512) return { message: 'must have 1 to 512 characters' };
  return /[\x00-\x1f\x7f]/.test(text) ? { message: 'must not contain control characters' } : undefined;
});

/** Methods that another section, or keygate itself, decides about. */
const families = ['tools/', 'resources/', 'prompts/', 'notifications/', 'tasks/'];
const singles = ['initialize', 'ping', 'server/discover', 'completion/complete', 'subscriptions/listen'];

const methodPattern = checked((text) => {
  const literal = /^[^*?[{]*/.exec(text)?.[0] ?? '';
  const open = literal !== text;
  const touches = (name: string): boolean =>
    (open && name.startsWith(literal)) || (name.endsWith('/') ? literal.startsWith(name) : literal === name);
  const taken = [...families, ...singles].find(touches);
  if (text === '' || text.length > 512) return { message: 'must have 1 to 512 characters' };
  if (taken === undefined) return undefined;
  return {
    message: `covers ${wild(taken)}, which is not decided here`,
    hint: 'use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel',
  };
});

function wild(name: string): string {
  return name.endsWith('/') ? `${name}*` : name;
}

const scope = checked((text) => {
  if (text === '') return { message: 'must not be empty' };
  return text === 'none' ? { message: 'must name a scope: there are no rules that need none', hint: 'such as read:wiki' } : undefined;
});

const condition = checked((text) => (text.trim() === '' || text.length > 4096 ? { message: 'must have 1 to 4096 characters' } : undefined));

function ruleMembers(match: typeof pattern) {
  return z.strictObject({
    match: oneOrMore(match).describe('Name patterns: * within one segment, ** across them.'),
    scope: oneOrMore(scope).describe('The scope a key needs; with a list, all of them.'),
    price: priceSchema.prefault('0').describe('Price of one call: a decimal string, or what the upstream reports.'),
    charge: chargeSchema.optional().describe('What is charged of a call that brought nothing.'),
    when: condition.optional().describe('CEL condition on args, tool, key and request.'),
    stepUp: z.boolean().default(false).describe('Whether a second factor must have been passed a short while ago.'),
  });
}

type Members = z.output<ReturnType<typeof ruleMembers>> & { limits?: RiskLimit[]; lease?: Lease | undefined };

function toRule({ match, scope, price: terms, charge, lease, when, limits = [], stepUp }: Members): RuleConfig {
  const money = { ...terms, ...(charge && { charge }), ...(lease && { lease }) };
  return { match, scopes: scope, ...money, ...(when !== undefined && { when }), limits, stepUp };
}

function ruleSchema(match: typeof pattern) {
  return ruleMembers(match).transform(toRule);
}

const rules = z.array(ruleSchema(pattern));
const toolRules = z.array(
  ruleMembers(pattern)
    .extend({
      charge: toolChargeSchema.optional().describe('What is charged of a call that brought nothing.'),
      lease: leaseSchema.optional().describe('Takes calls from a shared ledger several at a time.'),
      limits: riskLimitsSchema.prefault([]).describe('Limits on arguments and times, judged after when.'),
    })
    .transform(toRule),
);

const credentialSchema = z.strictObject({
  header: meaning(z.string(), readCredentialHeader).describe('Name of the request header.'),
  value: meaning(z.string(), readCredentialValue).describe('Take it from ${env:NAME} or ${file:/path}.'),
});

const credentialList = meaning(oneOrMore(credentialSchema), (list): Reading<{ header: string; value: string }[]> => {
  const names = list.map(({ header }) => header);
  return new Set(names).size === names.length ? { value: list } : { message: 'sets the same header twice' };
});

export const upstreamSchema = z.strictObject({
  url: meaning(z.string(), (text): Reading<string> => {
    const reading = readHttpUrl(text, 'use `credential` to send a secret in a header');
    return 'value' in reading ? { value: reading.value.href } : reading;
  })
    .optional()
    .describe('The MCP endpoint: http or https, without credentials, query or fragment.'),
  transport: z
    .enum(['http', 'sse', 'stdio'])
    .optional()
    .describe('http is Streamable HTTP, the default with a url; sse the older HTTP+SSE; stdio goes with a command.'),
  ...stdioMembers,
  environment: z.enum(['live', 'test']).default('live').describe('A test key reaches only test upstreams, a live key only live ones.'),
  credential: credentialList.optional().describe('Headers that identify keygate to the upstream; agents never see them.'),
  tools: z
    .union([z.literal('annotations'), toolRules])
    .prefault([])
    .describe('First match wins; no match is refused.'),
  resources: rules.prefault([]).describe('Rules for resource URIs.'),
  prompts: rules.prefault([]).describe('Rules for prompt names.'),
  methods: z
    .array(ruleSchema(methodPattern))
    .prefault([])
    .describe('Rules for methods without a section of their own, such as logging/setLevel.'),
  protocol: z
    .enum(['auto', 'session', 'stateless'])
    .default('auto')
    .describe('The protocol era the server speaks: sessions (up to 2025-11-25), stateless (2026-07-28), or found out.'),
  denials: z.enum(['jsonrpc', 'http', 'tool-error']).default('jsonrpc').describe('How budget, cap and policy refusals look.'),
  breaker: breakerSchema.prefault({}).describe('When an upstream that fails is not called for a while; false = never.'),
  limits: upstreamLimitsSchema.prefault({}).describe('What this upstream may take of the process.'),
  pinning: pinningSchema.prefault({}).describe('What is done when a tool is listed otherwise than before.'),
  passthrough: passthroughSchema.prefault([]).describe('What the server offers beside its MCP endpoint; first match wins.'),
});

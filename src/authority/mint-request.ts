import { isIP } from 'node:net';
import { z } from 'zod';
import { zoneProblem } from '../domain/calendar.ts';
import { parseMicros } from '../domain/money.ts';
import { scopeProblem } from '../domain/scope.ts';
import { parseLifetime } from './duration.ts';

/** No C0 or C1 control, line separator or bidirectional override: names are shown in terminals, logs and pages. */
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** One line of text people read. @param max longest, in UTF-16 units */
export function lineSchema(max: number) {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must be at most ${max} characters`)
    .refine((text) => !unprintable.test(text), 'must not hold control characters')
    .refine((text) => text.isWellFormed(), 'must be valid Unicode');
}

/** An identifier of the operator's own: organisation, agent, bot, account, upstream. */
export const identifierSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit');

const windowSchema = z.enum(['minute', 'hour', 'day', 'week', 'month', 'total'], 'must be minute, hour, day, week, month or total');

const amountSchema = z
  .string('must be a decimal string such as "5.00"')
  .refine((text) => parseMicros(text) !== undefined, 'must be a decimal string with at most 6 places, from 0 to 1000000000');

const countSchema = z.int('must be a whole number').min(1, 'must be at least 1').max(1_000_000_000, 'must be at most 1000000000');

const zoneSchema = z
  .string()
  .max(64, 'must be an IANA time zone')
  .superRefine((zone, refinement) => reportProblem(zoneProblem(zone), refinement))
  .default('UTC');

const scopeSchema = z
  .string()
  .max(256, 'must be at most 256 characters')
  .superRefine((scope, refinement) => reportProblem(scopeProblem(scope), refinement));

const addressSchema = z.string().superRefine((text, refinement) => reportProblem(addressProblem(text), refinement));

/** A limit counts one tool or those with a prefix; any other wildcard would match nothing and so limit nothing. */
const limitedToolSchema = lineSchema(256).refine((tool) => !tool.slice(0, -1).includes('*'), 'may hold * at its end only');

/** What budgets and caps share. A soft one warns and refuses nothing. */
const limitMembers = { per: windowSchema, tool: limitedToolSchema.optional(), soft: z.boolean().optional(), zone: zoneSchema };

const metadataSchema = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_" or "-"'), lineSchema(512))
  .refine((entries) => Object.keys(entries).length <= 32, 'must have at most 32 members');

/** What a mint and a change of a key both can say, each as it is written; defaults are those of the mint alone. */
const fields = {
  name: lineSchema(80),
  scopes: z.array(scopeSchema).max(64, 'must be at most 64 scopes'),
  permissions: z.record(z.string(), z.array(z.string()).max(64)),
  expires_days: z.int('must be a whole number of days').min(1, 'must be at least 1').max(36_525, 'must be at most 36525'),
  ttl: z.string().refine((text) => text === 'never' || parseLifetime(text) !== undefined, 'must be such as 15m, 12h, 30d or never'),
  budgets: z.array(z.strictObject({ amount: amountSchema, ...limitMembers })).max(16, 'must be at most 16 budgets'),
  caps: z.array(z.strictObject({ calls: countSchema, ...limitMembers })).max(32, 'must be at most 32 caps'),
  rate: z.strictObject({ calls: countSchema.max(1_000_000), perSeconds: countSchema.max(86_400, 'must be at most 86400') }),
  upstreams: z.array(identifierSchema).max(256),
  tools: z.array(lineSchema(256)).max(256),
  addresses: z.array(addressSchema).max(64),
  children: z.boolean(),
  maxUses: countSchema,
  owner: lineSchema(200),
  purpose: lineSchema(500),
  metadata: metadataSchema,
  onBehalfOf: lineSchema(200),
};

/** The body of a mint. Members it does not know are refused: a misspelt limit must not become a key without the limit. */
export const mintRequestSchema = z.strictObject({
  name: fields.name,
  parentId: z.string().optional(),
  orgId: identifierSchema.optional(),
  agentId: identifierSchema.optional(),
  kind: z.enum(['agent', 'bot', 'operator'], 'must be agent, bot or operator').default('agent'),
  botId: identifierSchema.optional(),
  environment: z.enum(['live', 'test'], 'must be live or test').default('live'),
  scopes: fields.scopes.default([]),
  permissions: fields.permissions.optional(),
  expires_days: fields.expires_days.optional(),
  ttl: fields.ttl.optional(),
  budgets: fields.budgets.default([]),
  caps: fields.caps.default([]),
  rate: fields.rate.optional(),
  upstreams: fields.upstreams.default([]),
  tools: fields.tools.default([]),
  addresses: fields.addresses.default([]),
  children: fields.children.default(true),
  accountId: identifierSchema.optional(),
  maxUses: fields.maxUses.optional(),
  owner: fields.owner.optional(),
  purpose: fields.purpose.optional(),
  metadata: fields.metadata.optional(),
  onBehalfOf: fields.onBehalfOf.optional(),
});

/** The body of a change: only what is to change, and null for what is to go. Whose key it is, and where it works, never changes. */
export const patchRequestSchema = z.strictObject({
  name: fields.name.optional(),
  scopes: fields.scopes.optional(),
  permissions: fields.permissions.optional(),
  expires_days: fields.expires_days.optional(),
  ttl: fields.ttl.optional(),
  budgets: fields.budgets.optional(),
  caps: fields.caps.optional(),
  rate: fields.rate.nullish(),
  upstreams: fields.upstreams.optional(),
  tools: fields.tools.optional(),
  addresses: fields.addresses.optional(),
  children: fields.children.optional(),
  maxUses: fields.maxUses.nullish(),
  owner: fields.owner.nullish(),
  purpose: fields.purpose.nullish(),
  metadata: fields.metadata.nullish(),
  onBehalfOf: fields.onBehalfOf.nullish(),
});

/** The limits of an account; those left out are none when it is opened, and stay when it is changed. */
export const accountLimitsSchema = z.strictObject({ budgets: fields.budgets.optional(), caps: fields.caps.optional() });

export type AccountLimitsRequest = z.input<typeof accountLimitsSchema>;

export type PatchRequest = z.input<typeof patchRequestSchema>;

/** What a caller writes, and what it means once defaults are filled in. */
export type MintRequest = z.input<typeof mintRequestSchema>;
export type MintTerms = z.output<typeof mintRequestSchema>;

/** Why this is no address block; undefined when it is one. A plain address stands for itself alone. */
function addressProblem(text: string): string | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0 || rest.length > 0) return 'must be an address or a CIDR block such as 10.0.0.0/8';
  // Callers over IPv4 are judged as IPv4, so a block written in the mapped form would never match.
  if (/^::ffff:/i.test(address) && bits === undefined) return 'must be written as a plain IPv4 address';
  if (bits === undefined) return undefined;
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    return `must have a prefix length from 0 to ${family === 4 ? 32 : 128}`;
  }
  return undefined;
}

/** The block that an accepted address text stands for: `10.1.2.3` is `10.1.2.3/32`. */
export function addressBlock(text: string): string {
  return text.includes('/') ? text : `${text}/${isIP(text) === 4 ? 32 : 128}`;
}

function reportProblem(problem: string | undefined, refinement: z.core.$RefinementCtx<string>): void {
  if (problem !== undefined) refinement.addIssue(problem);
}

import * as z from 'zod';
import type { Guards } from '../domain/guard.ts';
import { type Listen, listenersCollide, readCidr, readHttpUrl, readListen, readOrigin } from './addresses.ts';
import { readDuration } from './amounts.ts';
import { type ArchiveConfig, readArchive } from './archive.ts';
import type { Reading } from './problems.ts';
import { checked, hasNumbers, meaning, oneOrMore } from './reading.ts';
import { type EndpointConfig, endpointsSchema } from './schema-endpoint.ts';
import { childrenSchema, guardsSchema } from './schema-keys.ts';
import { type Limits, limitsSchema } from './schema-limits.ts';
import { stepUpSchema } from './schema-step-up.ts';
import { budgetsSchema, type RedisConfig, redisSchema } from './schema-store.ts';
import { type UpstreamConfig, upstreamSchema } from './schema-upstream.ts';
import { type WebhookConfig, webhooksSchema } from './schema-webhooks.ts';
import { readStore, type StoreConfig } from './store.ts';
import { readWorkers } from './workers.ts';

export type { EndpointConfig } from './schema-endpoint.ts';
export type { Limits } from './schema-limits.ts';
export type { UpstreamConfig } from './schema-upstream.ts';

/** A configuration as the rest of the program sees it: complete, checked, frozen. Times are milliseconds. */
export interface Config {
  listen: { mcp: Listen; admin: Listen; trustedProxies: string[]; origins: string[] };
  /** Without a slash at the end. */
  publicUrl: string;
  /** A folder is absolute. */
  store: StoreConfig;
  /** What a Redis store is asked for; of no meaning with another. */
  redis: RedisConfig;
  /** Processes that serve, at least 1. */
  workers: number;
  keys: {
    prefix: string;
    /** Newest first, at least one, each of at least 32 characters; so is `seal`. */
    peppers: string[];
    seal: string[];
    /** Text of a JWK Set (RFC 7517 section 5). */
    signing: string;
    expiry: { defaultMs: number; maxMs: number; required: boolean };
    children: { depthMax: number };
    guards: Guards;
  };
  scopes: { hierarchy: string[] };
  /** By name; has no prototype, so that no name is found that was not configured. */
  upstreams: Record<string, UpstreamConfig>;
  /** By public id, as upstreams are by name. */
  agents: Record<string, EndpointConfig>;
  bots: Record<string, EndpointConfig>;
  stepUp: { freshForMs: number; operators: boolean };
  /** How often secrets of AWS Secrets Manager or Vault are read again. */
  secrets: { refreshMs: number };
  /** `archive` is absent where the store keeps the whole journal itself; its folder is absolute. */
  journal: { arguments: 'hash' | 'none'; retainMs: number; archive?: ArchiveConfig };
  /** Percentages of a limit that are reported, rising. */
  budgets: { thresholds: number[] };
  webhooks: WebhookConfig[];
  limits: Limits;
}

const duration = meaning(z.string(), readDuration);
const refresh = meaning(z.string(), (text): Reading<number> => {
  const reading = readDuration(text);
  const fits = !('value' in reading) || (reading.value >= 1000 && reading.value <= 86_400_000);
  return fits ? reading : { message: 'must be from 1s to 1d', hint: 'such as 5m' };
});
const listen = (fallback: string) => meaning(z.string(), readListen).prefault(fallback);

const listenSchema = z
  .strictObject({
    mcp: listen('127.0.0.1:8080').describe('Data plane: agents come here. host:port; port 0 is any free one.'),
    admin: listen('127.0.0.1:8081').describe('Admin API, metrics and health; never the same listener.'),
    trustedProxies: z.array(meaning(z.string(), readCidr)).prefault([]).describe('Networks (CIDR) whose X-Forwarded-For is believed.'),
    origins: z.array(meaning(z.string(), readOrigin)).prefault([]).describe('Browser origins that may call.'),
  })
  .refine(({ mcp, admin }) => !listenersCollide(mcp, admin), {
    when: ({ value }) => ['mcp', 'admin'].every((name) => hasNumbers((value as Record<string, unknown> | null)?.[name], ['port'])),
    path: ['admin'],
    error: 'must be another listener than listen.mcp',
    params: { hint: 'choose another port' },
  });

const publicUrl = meaning(z.string(), (text): Reading<string> => {
  const reading = readHttpUrl(text);
  return 'value' in reading ? { value: reading.value.href.replace(/\/+$/, '') } : reading;
});

const secret = checked((text) =>
  text.length < 32 ? { message: 'must have at least 32 characters', hint: '`keygate init` makes a good one' } : undefined,
);

const signing = checked((text) => {
  const fault = { message: 'must be the text of a JWK Set with at least one key', hint: '{"keys": [{…}]}, as `keygate init` makes it' };
  try {
    const keys: unknown = (JSON.parse(text) as { keys?: unknown } | null)?.keys;
    const fine = Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key?.kty === 'string');
    return fine ? undefined : fault;
  } catch {
    return fault;
  }
});

const expirySchema = z
  .strictObject({
    default: duration.prefault('90d').describe('Lifetime of a key minted without one.'),
    max: duration.prefault('365d').describe('Longest lifetime of a key.'),
    required: z.boolean().default(true).describe('Whether every key must expire.'),
  })
  .refine((expiry) => !(expiry.default > expiry.max), {
    when: ({ value }) => hasNumbers(value, ['default', 'max']),
    path: ['default'],
    error: 'must not be longer than max',
  });

export const keysSchema = z.strictObject({
  prefix: checked((text) =>
    /^[a-z][a-z0-9]{0,11}$/.test(text) ? undefined : { message: 'must be 1 to 12 lower-case letters and digits, beginning with a letter' },
  )
    .prefault('kg')
    .describe('First part of every key: kg_live_…'),
  pepper: oneOrMore(secret).describe(
    'Secret that keys are stored under; a list rotates it, newest first. Default: the file pepper in the store folder; ./var with a Redis store.',
  ),
  seal: oneOrMore(secret).describe(
    'Secret that seals session ids; a list rotates it, newest first. Default: the file seal in the store folder.',
  ),
  signing: signing.describe('JWK Set that signs assertions. Default: the file signing.jwk in the store folder.'),
  expiry: expirySchema.prefault({}).describe('Lifetimes of keys.'),
  children: childrenSchema.prefault({}).describe('Keys minted by keys.'),
  guards: guardsSchema.prefault({}).describe('What is warned about, or refused, when a key is made.'),
});

const action = checked((text) =>
  /^[a-z][a-z0-9_-]*$/.test(text) ? undefined : { message: 'must be a lower-case word', hint: 'letters, digits, "_" and "-"' },
);
const hierarchy = meaning(
  z.array(action),
  (list): Reading<string[]> => (new Set(list).size === list.length ? { value: list } : { message: 'names an action twice' }),
);

/** The written form, once the secrets that were not named have been added. */
export const writtenSchema = z.strictObject({
  $schema: z.string().optional().describe('For editors.'),
  listen: listenSchema.prefault({}).describe('Where to listen.'),
  publicUrl: publicUrl.optional().describe('What metadata and snippets show. Default: http:// and listen.mcp.'),
  store: meaning(z.string(), readStore)
    .prefault('./var')
    .describe(
      'Folder of the embedded store, or a Redis URL that replicas share: redis://, redis+sentinel://, redis+cluster://, rediss:// for TLS.',
    ),
  redis: redisSchema.prefault({}).describe('With a Redis store: how it is used.'),
  workers: meaning(z.union([z.int(), z.string()]), readWorkers)
    .prefault(1)
    .describe('Processes on this machine that serve, sharing the listeners; 0 = one for each core.'),
  keys: keysSchema.describe('Agent keys.'),
  scopes: z
    .strictObject({ hierarchy: hierarchy.prefault(['read', 'trade', 'manage']).describe('Actions, each including those before it.') })
    .prefault({})
    .describe('Scopes.'),
  upstreams: z.record(z.string(), upstreamSchema).describe('MCP servers by name.'),
  agents: endpointsSchema.describe('Agents with a path of their own, by public id.'),
  bots: endpointsSchema.describe('Bots with a path of their own, by id.'),
  stepUp: stepUpSchema.prefault({}).describe('Second factors.'),
  secrets: z
    .strictObject({ refresh: refresh.prefault('5m').describe('How often ${aws:…} and ${vault:…} are read again.') })
    .prefault({})
    .describe('Secrets that come from elsewhere.'),
  journal: z
    .strictObject({
      arguments: z.enum(['hash', 'none']).default('hash').describe('What the journal keeps of arguments.'),
      retain: duration.prefault('400d').describe('How long records are kept.'),
      archive: meaning(z.string(), readArchive)
        .optional()
        .describe('With a Redis store: where sealed parts of the journal go, a folder or s3://bucket/prefix?region=…. Default: Redis.'),
    })
    .prefault({})
    .describe('The audit journal.'),
  budgets: budgetsSchema.prefault({}).describe('Reports about limits.'),
  webhooks: webhooksSchema.prefault([]).describe('Endpoints that are told of journal records.'),
  limits: limitsSchema.prefault({}).describe('Bounds; every one has a default.'),
});

/** What writtenSchema gives for a sound file. */
export type Written = z.output<typeof writtenSchema>;

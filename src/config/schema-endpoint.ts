import * as z from 'zod';
import { checked } from './reading.ts';

/** An agent or a bot with a path of its own, `/mcp/<name>`. */
export interface EndpointConfig {
  name: string;
  /** Names of upstreams, at least one, none twice. */
  upstreams: string[];
  /** Only keys of this organisation may use the path. */
  org?: string;
}

const organisation = checked((text) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
    ? undefined
    : { message: 'must be 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit' },
);

const endpointSchema = z.strictObject({
  upstreams: z.array(z.string()).min(1).describe('The upstreams that answer there.'),
  org: organisation.optional().describe('Only keys of this organisation may use the path.'),
});

/** The written form of `agents` and of `bots`; the names in it are judged by check-endpoints.ts. */
export const endpointsSchema = z.record(z.string(), endpointSchema).nullish();

/** With each one's own name, and without a prototype, so that no name is found that was not configured. */
export function readEndpoints(written: z.output<typeof endpointsSchema>): Record<string, EndpointConfig> {
  const endpoints: Record<string, EndpointConfig> = Object.create(null);
  for (const [name, { upstreams, org }] of Object.entries(written ?? {})) {
    endpoints[name] = { name, upstreams, ...(org !== undefined && { org }) };
  }
  return endpoints;
}

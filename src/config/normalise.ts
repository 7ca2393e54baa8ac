import { resolve } from 'node:path';
import { urlOfListen } from './addresses.ts';
import type { Config, UpstreamConfig, Written } from './schema.ts';
import { readEndpoints } from './schema-endpoint.ts';

/** The configuration as the program uses it: defaults that depend on other settings filled in, paths absolute, everything frozen. */
export function normalise(written: Written, cwd: string): Config {
  const upstreams: Record<string, UpstreamConfig> = Object.create(null);
  for (const [name, { credential, transport: _http, ...upstream }] of Object.entries(written.upstreams)) {
    upstreams[name] = { name, ...upstream, credentials: credential ?? [] };
  }
  const { prefix, pepper, seal, signing, expiry, children, guards } = written.keys;
  return freeze({
    listen: written.listen,
    publicUrl: written.publicUrl ?? urlOfListen(written.listen.mcp),
    store: { folder: resolve(cwd, written.store) },
    keys: {
      ...{ prefix, peppers: pepper, seal, signing, children, guards },
      expiry: { defaultMs: expiry.default, maxMs: expiry.max, required: expiry.required },
    },
    scopes: written.scopes,
    upstreams,
    agents: readEndpoints(written.agents),
    bots: readEndpoints(written.bots),
    stepUp: { freshForMs: written.stepUp.freshFor, operators: written.stepUp.operators },
    secrets: { refreshMs: written.secrets.refresh },
    journal: { arguments: written.journal.arguments, retainMs: written.journal.retain },
    limits: written.limits,
  });
}

function freeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) freeze(member);
  return Object.freeze(value);
}

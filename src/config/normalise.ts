import { resolve } from 'node:path';
import { urlOfListen } from './addresses.ts';
import type { Config, UpstreamConfig, Written } from './schema.ts';
import { readEndpoints } from './schema-endpoint.ts';
import { readStdio } from './schema-stdio.ts';

/** The configuration as the program uses it: defaults that depend on other settings filled in, paths absolute, everything frozen. */
export function normalise(written: Written, { cwd, workers }: { cwd: string; workers: number }): Config {
  const upstreams: Record<string, UpstreamConfig> = Object.create(null);
  for (const [name, { credential, url, transport = 'http', command, args, env, cwd: folder, stdio, ...upstream }] of Object.entries(
    written.upstreams,
  )) {
    const started = readStdio({ command, args, env, cwd: resolve(cwd, folder ?? '.'), stdio });
    const place = started ? { url: `stdio:${name}`, transport: 'stdio' as const, stdio: started } : { url: url ?? '', transport };
    upstreams[name] = { name, ...place, ...upstream, credentials: credential ?? [] };
  }
  const { archive } = written.journal;
  const { prefix, pepper, seal, signing, expiry, children, guards } = written.keys;
  return freeze({
    listen: written.listen,
    publicUrl: written.publicUrl ?? urlOfListen(written.listen.mcp),
    store: resolved(written.store, cwd),
    redis: written.redis,
    workers,
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
    journal: {
      ...{ arguments: written.journal.arguments, retainMs: written.journal.retain },
      ...(archive && { archive: resolved(archive, cwd) }),
    },
    budgets: written.budgets,
    webhooks: written.webhooks,
    limits: written.limits,
  });
}

/** A folder made absolute; anything else as it is. */
function resolved<Place extends { readonly kind: string }>(
  place: Place | { readonly kind: 'folder'; readonly folder: string },
  cwd: string,
): Place {
  return ('folder' in place ? { ...place, folder: resolve(cwd, place.folder) } : place) as Place;
}

function freeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) freeze(member);
  return Object.freeze(value);
}

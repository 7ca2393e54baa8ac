import type { MatrixClient } from './connected.ts';
import type { MatrixUpstream } from './upstreams.ts';

/** Why this build cannot serve a pair, or undefined. What fails for such a reason is shown as `not yet`, anything else that fails as `failed`. */
export function notServed(client: MatrixClient, upstream: MatrixUpstream): string | undefined {
  if (upstream.transport === 'stdio') return 'servers over stdio are not served yet';
  if (upstream.transport === 'sse') return 'servers over legacy HTTP+SSE are not served yet';
  const met = client.era === 'any' || upstream.era === 'both' || client.era === upstream.era;
  return met ? undefined : 'the eras are not bridged yet';
}

import type { Policy } from '../domain/policy.ts';
import { endpointAt, namesAt } from '../stages/stand.ts';

/**
 * OAuth 2.0 Protected Resource Metadata (RFC 9728, section 2) of the path of an upstream, an agent or a bot, or of `/mcp` itself; undefined
 * where there is none. @param path as asked for, such as `/mcp/wiki`
 */
export function resourceMetadata(policy: Policy, path: string): object | undefined {
  const endpoint = endpointAt(policy, path);
  if (!endpoint) return undefined;
  const scopes = namesAt(endpoint).flatMap((name) => policy.upstreams.get(name)?.policy.scopes ?? []);
  return {
    resource: `${policy.publicUrl}${path}`,
    resource_name: path.split('/')[2] ?? 'keygate',
    bearer_methods_supported: ['header'],
    scopes_supported: [...new Set(scopes)],
  };
}

import type { Policy } from '../domain/policy.ts';

/** OAuth 2.0 Protected Resource Metadata (RFC 9728, section 2) of the path of an upstream, an agent or a bot; undefined where there is none. */
export function resourceMetadata(policy: Policy, name: string): object | undefined {
  const endpoint = policy.endpoints.get(name);
  if (!endpoint) return undefined;
  return {
    resource: `${policy.publicUrl}/mcp/${name}`,
    resource_name: name,
    bearer_methods_supported: ['header'],
    scopes_supported: policy.upstreams.get(endpoint.upstream)?.policy.scopes ?? [],
  };
}

import type { Policy } from '../domain/policy.ts';

/** OAuth 2.0 Protected Resource Metadata (RFC 9728, section 2) of one upstream's path; undefined where there is none. */
export function resourceMetadata(policy: Policy, name: string): object | undefined {
  if (!policy.upstreams.has(name)) return undefined;
  return {
    resource: `${policy.publicUrl}/mcp/${name}`,
    resource_name: name,
    bearer_methods_supported: ['header'],
    scopes_supported: policy.upstreams.get(name)?.policy.scopes ?? [],
  };
}

/** The options that `keys mint` and `keys set` share, as commander reads them. */
export interface GrantOptions {
  readonly scope?: readonly string[];
  readonly upstream?: readonly string[];
  readonly tool?: readonly string[];
  readonly address?: readonly string[];
  readonly budget?: readonly object[];
  readonly cap?: readonly object[];
  readonly rate?: object;
  readonly expires?: string;
  readonly maxUses?: number;
  readonly owner?: string;
  readonly purpose?: string;
  readonly metadata?: Record<string, string>;
  readonly onBehalfOf?: string;
}

/** The same as members of a request body; those not given are undefined. */
export function grantMembers(options: GrantOptions): Record<string, unknown> {
  return {
    scopes: options.scope,
    upstreams: options.upstream,
    tools: options.tool,
    addresses: options.address,
    budgets: options.budget,
    caps: options.cap,
    rate: options.rate,
    ttl: options.expires,
    maxUses: options.maxUses,
    owner: options.owner,
    purpose: options.purpose,
    metadata: options.metadata,
    onBehalfOf: options.onBehalfOf,
  };
}

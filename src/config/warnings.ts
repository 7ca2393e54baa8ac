import { secretNames } from './defaults.ts';
import type { Finding } from './problems.ts';
import { hasPassword } from './redis-url.ts';
import type { Config } from './schema.ts';
import { child, find, type Tree } from './tree.ts';

/** What a sound configuration says that its author may not have meant. */
export function warningsOf(config: Config, tree: Tree): Finding[] {
  const warnings: Finding[] = [];
  const warn = (path: readonly PropertyKey[], message: string, hint?: string): void => {
    warnings.push({ ...find(tree, path).place, message, ...(hint !== undefined && { hint }) });
  };
  const literal = (node: Tree | undefined): void => {
    if (node?.kind === 'list') for (const item of node.items) literal(child(item, 'value') ?? item);
    else if (node?.kind === 'members') literal(child(node, 'value'));
    else if (node && !node.interpolated)
      warnings.push({ ...node.at, message: 'is a secret written in this file', hint: 'take it from ${env:NAME} or ${file:/path}' });
  };
  for (const name of secretNames) literal(find(tree, ['keys', name]).node);
  if (config.store.kind === 'redis' && hasPassword(config.store.url)) literal(find(tree, ['store']).node);
  for (const [at, { url }] of config.webhooks.entries()) {
    literal(find(tree, ['webhooks', at, 'secret']).node);
    if (isInClear(url)) warn(['webhooks', at, 'url'], 'sends records over the network in clear', 'use https');
  }
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    if (upstream.credentials.length > 0) literal(find(tree, ['upstreams', name, 'credential']).node);
    for (const variable of Object.keys(upstream.stdio?.command.env ?? {})) {
      if (/TOKEN|SECRET|PASSWORD|CREDENTIAL|(?:^|_)KEY$/i.test(variable)) literal(find(tree, ['upstreams', name, 'env', variable]).node);
    }
    const rules = [upstream.tools, upstream.resources, upstream.prompts, upstream.methods];
    if (rules.every((section) => section.length === 0))
      warn(['upstreams', name], 'has no rules: every call to it is refused', 'add tools, or tools: annotations');
  }
  if (Object.keys(config.upstreams).length === 0) warn(['upstreams'], 'is empty: there is nothing to reach');
  const { host } = config.listen.mcp;
  if (child(tree, 'publicUrl') === undefined && (host === '0.0.0.0' || host === '::')) {
    warn(['publicUrl'], 'is not set, and listen.mcp has no address that clients could use', 'set it to the address clients use');
  }
  for (const [index, network] of config.listen.trustedProxies.entries()) {
    if (network.endsWith('/0')) warn(['listen', 'trustedProxies', index], 'believes X-Forwarded-For from everyone');
  }
  return warnings;
}

function isInClear(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(?:localhost|127\..*|\[::1\])$/.test(hostname);
}

import type { ListedItem } from '../domain/listing.ts';
import type { ListMember } from '../domain/method.ts';
import type { Rule, UpstreamPolicy } from '../domain/policy.ts';
import { normaliseUri } from '../domain/resource-uri.ts';
import { annotationRule } from '../domain/rule.ts';
import type { Annotations } from '../ports/catalogue.ts';
import type { Located } from './reached.ts';

/** The rule that decides about a tool: written, or suggested by its annotations where the upstream has none written. */
export function toolRule(
  upstream: UpstreamPolicy,
  { tool, annotations }: { tool: string; annotations: Annotations | undefined },
): Rule | undefined {
  if (!upstream.annotated) return upstream.ruleFor('tools', tool);
  return annotations && annotationRule({ upstream: upstream.name, tool, annotations });
}

const climbing = /\/(?:\.|%2e){2}(?:[/?#]|$)/i;

/**
 * The URI as rules decide on it, or undefined where it is none, or climbs: it is forwarded as written, and an upstream
 * that follows links or takes the authority for a folder would end elsewhere than its normal form says (I4).
 */
export function decidableUri(uri: string | undefined): string | undefined {
  const [path = ''] = (uri ?? '').split('?');
  return uri === undefined || climbing.test(path) ? undefined : normaliseUri(uri);
}

/**
 * Whether a listed item is shown: exactly where a call to it could be admitted. A rule that depends on arguments, on the time or
 * on a second factor is listed, since some calls may pass.
 */
export function mayUse({ upstream, caller }: Pick<Located, 'upstream' | 'caller'>, member: ListMember, item: ListedItem): boolean {
  const rule = ruleForItem({ upstream, caller }, member, item);
  return rule?.scopes.every((scope) => caller.grants(scope)) ?? false;
}

function ruleForItem({ upstream, caller }: Pick<Located, 'upstream' | 'caller'>, member: ListMember, item: ListedItem): Rule | undefined {
  if (member === 'tools') {
    if (item.name === undefined || !caller.admitsTool(item.name)) return undefined;
    return toolRule(upstream, { tool: item.name, annotations: item.annotations ?? {} });
  }
  if (member === 'prompts') return item.name === undefined ? undefined : upstream.ruleFor('prompts', item.name);
  const resource = decidableUri(member === 'resources' ? item.uri : item.uriTemplate);
  return resource === undefined ? undefined : upstream.ruleFor('resources', resource);
}

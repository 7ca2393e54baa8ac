import { prefixOf } from './prefix.ts';

/** How every such prefix begins. */
export const uriScheme = 'keygate://';

/**
 * What stands before the URIs of an upstream's resources where several upstreams are read at one path: `keygate://wiki/notes://n-1`. It leaves
 * them absolute URIs (RFC 3986, section 3), as MCP and its clients want; `wiki__notes://n-1` would be none, since a scheme has no underscore.
 */
export function uriPrefixOf(upstream: string): string {
  return `${uriScheme}${upstream}/`;
}

/** What may stand before a URI in a request: the prefix that lists show, and `<upstream>__`, since names have it. */
export function uriPrefixesOf(upstream: string): string[] {
  return [uriPrefixOf(upstream), prefixOf(upstream)];
}

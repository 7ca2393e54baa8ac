/** RFC 9110, section 5.1: what a header may be named. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** The specification says string, integer, boolean; its own conformance suite declares numbers too, so they pass. */
const types: ReadonlySet<unknown> = new Set(['string', 'integer', 'number', 'boolean']);
/** Keywords whose values are examples of arguments and no schemas. */
const values: ReadonlySet<string> = new Set(['default', 'const', 'enum', 'examples', 'x-mcp-header']);

/**
 * Whether the `x-mcp-header` declarations of an input schema are what 2026-07-28 (transports, custom headers from tool parameters) allows: a
 * header name that no other parameter has, letters' case aside, on a parameter of a plain type that is reached through `properties` alone. A
 * tool with any other is to be left out of lists. Nothing is fetched or evaluated: a `$ref` is text (A28).
 */
export function hasSoundParamHeaders(schema: unknown): boolean {
  const names = new Set<string>();
  const isSound = (node: unknown, reachable: boolean, isRoot = false): boolean => {
    if (Array.isArray(node)) return node.every((member) => isSound(member, false));
    if (typeof node !== 'object' || node === null) return true;
    const members = Object.entries(node);
    const declared = members.find(([keyword]) => keyword === 'x-mcp-header');
    if (declared) {
      const [, name] = declared;
      if (isRoot || !reachable || typeof name !== 'string' || !headerName.test(name) || names.has(name.toLowerCase())) return false;
      if (!types.has(members.find(([keyword]) => keyword === 'type')?.[1])) return false;
      names.add(name.toLowerCase());
    }
    return members.every(([keyword, value]) => {
      if (values.has(keyword)) return true;
      // Names of parameters are no keywords, whatever they look like.
      if (keyword === 'properties' && isObject(value)) return Object.values(value).every((parameter) => isSound(parameter, reachable));
      if (namedSchemas.has(keyword) && isObject(value)) return Object.values(value).every((named) => isSound(named, false));
      return isSound(value, false);
    });
  };
  return isSound(schema, true, true);
}

/** Keywords whose members are schemas under names of the author's choosing. */
const namedSchemas: ReadonlySet<string> = new Set(['patternProperties', '$defs', 'definitions', 'dependentSchemas']);

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

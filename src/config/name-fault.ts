const reserved = ['mcp', 'sse', 'api', 'connect'];

/** What is wrong with a name that stands in a path (`/mcp/<name>`) and, of an upstream, before tool names (`<name>__<tool>`); undefined when nothing is. */
export function nameFault(name: string, kind: 'upstream' | 'agent' | 'bot'): { message: string; hint: string } | undefined {
  if (reserved.includes(name)) return { message: 'is a reserved name', hint: `choose another name than ${reserved.join(', ')}` };
  if (name.includes('__'))
    return { message: 'must not contain "__", which separates an upstream from its tool', hint: 'use one underscore or a hyphen' };
  // `a_` and its tool `b` would read as `a` and its tool `_b`.
  if (kind === 'upstream' && name.endsWith('_'))
    return { message: 'must not end with "_", since "__" separates an upstream from its tool', hint: 'leave it out, or use a hyphen' };
  if (/^[a-z0-9][a-z0-9_-]{0,62}$/.test(name)) return undefined;
  return {
    message: `is not a valid ${kind} name`,
    hint: 'lower-case letters, digits, "_" and "-", at most 63, beginning with a letter or digit',
  };
}

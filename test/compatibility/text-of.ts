/** The text of a tool's result; parts of other kinds stand as JSON. */
export function textOf(result: unknown): string {
  const { content } = result as { content?: unknown };
  if (!Array.isArray(content)) return JSON.stringify(result);
  return content.map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : JSON.stringify(part))).join('\n');
}

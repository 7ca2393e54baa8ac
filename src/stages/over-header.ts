/** Names are as long as tool names may be, and keys, ancestors and accounts have many limits: clients refuse heads that are too long. */
const headerCharsMax = 2_000;

/**
 * The header that names the soft limits which a call goes beyond, separated by commas. Header fields are ASCII (RFC 9110 section 5.5), and tool
 * names need not be: what is not, and the comma and the percent sign in a name, is percent-encoded as UTF-8 (RFC 3986 section 2.1). Names that
 * do not fit are left out; `...` stands at the end then. The journal has them all.
 */
export function overHeader(names: readonly string[]): Record<string, string> {
  let text = '';
  for (const name of names) {
    const next = `${text}${text === '' ? '' : ', '}${encoded(name)}`;
    if (next.length > headerCharsMax) return { 'x-keygate-over': text === '' ? '...' : `${text}, ...` };
    text = next;
  }
  return { 'x-keygate-over': text };
}

function encoded(name: string): string {
  return name.toWellFormed().replace(/[^\x20-\x7e]|[%,]/gu, (character) => encodeURIComponent(character));
}

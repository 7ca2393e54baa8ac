/**
 * Replaces comments, and where asked strings and regular expressions too, by spaces, so that a search finds only code.
 * Line breaks and offsets stay. A reader of tokens, not a parser: a slash is a regular expression where no value stands before it.
 */
export function blank(text: string, { strings }: { strings: boolean }): string {
  let out = '';
  let at = 0;
  /** Depth of braces inside each open `${`. */
  const holes: number[] = [];

  const keep = (length: number) => {
    out += text.slice(at, at + length);
    at += length;
  };
  const drop = (length: number, really: boolean) => {
    if (really) out += text.slice(at, at + length).replace(/[^\n]/g, ' ');
    else out += text.slice(at, at + length);
    at += length;
  };
  /** Inside a template from `at`: up to its end, or up to and with the next `${`. */
  const template = () => {
    const length = /^(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)?/.exec(text.slice(at))?.[0].length ?? 0;
    const opens = text.slice(at, at + length).endsWith('${');
    drop(length, strings);
    if (opens) holes.push(0);
  };

  while (at < text.length) {
    const rest = text.slice(at, at + 2);
    const char = rest[0] ?? '';
    if (rest === '//') drop(/^[^\n]*/.exec(text.slice(at))?.[0].length ?? 2, true);
    else if (rest === '/*') drop(/^\/\*[\s\S]*?(?:\*\/|$)/.exec(text.slice(at))?.[0].length ?? 2, true);
    else if (char === "'" || char === '"') drop(quotedLength(text, at), strings);
    else if (char === '`') {
      drop(1, strings);
      template();
    } else if (char === '/' && startsRegex(out)) drop(regexLength(text, at), strings);
    else if (char === '{' && holes.length > 0) {
      holes.push((holes.pop() ?? 0) + 1);
      keep(1);
    } else if (char === '}' && holes.length > 0) {
      const depth = holes.pop() ?? 0;
      if (depth === 0) {
        drop(1, strings);
        template();
      } else {
        holes.push(depth - 1);
        keep(1);
      }
    } else keep(1);
  }
  return out;
}

function quotedLength(text: string, at: number): number {
  const quote = text[at] ?? '';
  let end = at + 1;
  while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
  return end + 1 - at;
}

function regexLength(text: string, at: number): number {
  let end = at + 1;
  let inClass = false;
  while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === '[') inClass = true;
    else if (text[end] === ']') inClass = false;
    end += 1;
  }
  return end + 1 - at;
}

function startsRegex(before: string): boolean {
  const last = before.slice(-200).trimEnd();
  if (last === '' || /(?:^|[^\w$.])(?:return|typeof|case|in|of|await|yield|throw|else|do|void|delete)$/.test(last)) return true;
  return !/[\w$)\]}"'`]$/.test(last);
}

/** Wildcards among the code units of a pattern. */
const anyRun = -1;
const runInSegment = -2;

/**
 * Compiles a pattern to a test of whole texts. Case-sensitive; every character but `*` stands for itself.
 * Names: `*` is any run of characters, the empty one included. URIs: `*` is any run without "/", `**` any run.
 * Time is at most the length of the text times that of the pattern, whatever both are: no backtracking.
 */
export function compileGlob(pattern: string, kind: 'name' | 'uri'): (text: string) => boolean {
  const first = pattern.indexOf('*');
  if (first === -1) return (text) => text === pattern;
  const last = pattern.lastIndexOf('*');
  // Most patterns are a prefix, or a prefix and a suffix: the ends are compared as text, and only what lies between is simulated.
  const prefix = pattern.slice(0, first);
  const suffix = pattern.slice(last + 1);
  const middle = readMiddle(pattern.slice(first, last + 1), kind);
  const matchesMiddle = middle.length === 1 ? (middle[0] === anyRun ? () => true : withoutSlash) : simulation(middle);
  return (text) =>
    text.length >= prefix.length + suffix.length &&
    text.startsWith(prefix) &&
    text.endsWith(suffix) &&
    matchesMiddle(text, prefix.length, text.length - suffix.length);
}

type SpanTest = (text: string, start: number, end: number) => boolean;

function readMiddle(middle: string, kind: 'name' | 'uri'): number[] {
  const tokens: number[] = [];
  for (const piece of middle.match(/\*+|[^*]+/g) ?? []) {
    if (!piece.startsWith('*')) for (let at = 0; at < piece.length; at += 1) tokens.push(piece.charCodeAt(at));
    else tokens.push(kind === 'name' || piece.length > 1 ? anyRun : runInSegment);
  }
  return tokens;
}

function withoutSlash(text: string, start: number, end: number): boolean {
  const slash = text.indexOf('/', start);
  return slash === -1 || slash >= end;
}

const slashCode = 47;

/** Thompson's simulation (1968): all places in the pattern where the text so far may stand, advanced one code unit at a time. */
function simulation(tokens: readonly number[]): SpanTest {
  return (text, start, end) => {
    let places = new Uint8Array(tokens.length + 1);
    let next = new Uint8Array(tokens.length + 1);
    places[0] = 1;
    passWildcards(tokens, places);
    for (let at = start; at < end; at += 1) {
      const code = text.charCodeAt(at);
      next.fill(0);
      for (let place = 0; place < tokens.length; place += 1) {
        if (places[place] === 0) continue;
        const token = tokens[place];
        if (token === code) next[place + 1] = 1;
        else if (token === anyRun || (token === runInSegment && code !== slashCode)) next[place] = 1;
      }
      passWildcards(tokens, next);
      [places, next] = [next, places];
    }
    return places[tokens.length] === 1;
  };
}

/** A wildcard may stand for nothing, so whoever stands before one stands after it too. */
function passWildcards(tokens: readonly number[], places: Uint8Array): void {
  for (let place = 0; place < tokens.length; place += 1) {
    if (places[place] === 1 && (tokens[place] ?? 0) < 0) places[place + 1] = 1;
  }
}

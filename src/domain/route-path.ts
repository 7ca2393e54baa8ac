/** A path that can be read in one way only. */
export interface RoutePath {
  /** As it was sent, and as it is sent on. */
  readonly raw: string;
  /** Percent-decoded: what rules are about. */
  readonly plain: string;
}

/** What RFC 3986, section 3.3, lets stand in a path as it is, but ";": what follows one is read by some servers and dropped by others. */
const characters = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*)+$/;
/**
 * Encodings that a second reader might see through: of characters that need none (section 2.3), of separators, dots, controls, and of "%",
 * which makes the next decoding another path.
 */
const hidden = /%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|3[0-9]|2D|2E|5F|7E|2F|5C|3B|25|[01][0-9A-F]|7F)/i;

/**
 * Reads the path of a request that is passed through, or returns undefined where two programs could read it as two paths: dot segments, empty
 * segments, encoded slashes and dots, backslashes, parameters, needless encodings, broken UTF-8. Nothing is repaired.
 */
export function readRoutePath(raw: string): RoutePath | undefined {
  if (!characters.test(raw) || raw.includes('//') || hidden.test(raw)) return undefined;
  if (raw.split('/').some((segment) => segment === '.' || segment === '..')) return undefined;
  try {
    const plain = decodeURIComponent(raw);
    // C1 controls, invisible separators: nothing that a path names.
    return /[\u0080-\u009f\u2028\u2029\ufeff]/.test(plain) ? undefined : { raw, plain };
  } catch {
    return undefined;
  }
}

/**
 * One spelling for all that a server may take for the same: without regard to case in whichever direction (`ſ` is an upper-case `S`, the Kelvin sign a
 * lower-case `k`), and to compatible forms of a character (Unicode Standard Annex 15).
 */
export function foldPath(plain: string): string {
  return plain.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}

/**
 * Other ways in which a server may take a path: without regard to case, to a slash at the end, or to dots and spaces at the end of a segment, which
 * file systems of Windows drop. Each is folded.
 */
export function readingsOf(plain: string): string[] {
  const folded = foldPath(plain);
  return [...new Set([folded, folded.replace(/[. ]+(?=\/|$)/g, '')].flatMap(withAndWithoutSlash))];
}

function withAndWithoutSlash(folded: string): string[] {
  const trimmed = folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded;
  return [folded, trimmed, `${trimmed}/`];
}

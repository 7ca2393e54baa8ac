const charactersMax = 8_192;
/** Control characters, white space and backslashes: readers differ on where such a URI ends, or on what separates its segments. */
const refusedRaw = /[\p{Cc}\s\\]/u;
const refusedDecoded = /[\p{Cc}\\]/u;
/**
 * Encoded "/" and "\", which some readers decode before they split the path; and the same, or a dot, encoded twice, which no honest
 * client needs and a reader that decodes twice falls for.
 */
const refusedEncoded = /%(?:2f|5c|25(?:2f|5c|2e|00|25))/i;
const brokenEncoding = /%(?![0-9A-Fa-f]{2})/;
/** RFC 3986 section 3, with everything after the scheme still together. The fragment is left out: it names no other resource (section 3.5). */
const form = /^([A-Za-z][A-Za-z0-9+.-]*):([^#]*)/;

/**
 * The form of a resource's URI that rules decide on, or undefined where it is no absolute URI or could be read two ways (refuse it then).
 * RFC 3986 section 6.2.2: scheme and host in lower case, unreserved characters decoded, all other percent-encodings in upper case, dot segments
 * removed (after decoding, so `%2e` counts). Characters that no URI may hold, such as "{" or "ü", are percent-encoded, since they are
 * equivalent to their encoding. Empty segments stay (`file:///a//b`), and the fragment is dropped. Applied twice it changes nothing.
 */
export function normaliseUri(uri: string): string | undefined {
  if (uri.length > charactersMax || refusedRaw.test(uri) || brokenEncoding.test(uri) || !uri.isWellFormed()) return undefined;
  const match = form.exec(uri);
  if (!match) return undefined;
  const scheme = (match[1] ?? '').toLowerCase();
  const rest = normaliseCharacters(match[2] ?? '');
  if (rest === undefined || rest === '') return undefined;
  const queryAt = rest.indexOf('?');
  const hierarchy = queryAt === -1 ? rest : rest.slice(0, queryAt);
  const query = queryAt === -1 ? '' : rest.slice(queryAt);
  const located = hierarchy.startsWith('//') ? normaliseLocated(hierarchy) : normaliseLocal(hierarchy);
  return located === undefined ? undefined : `${scheme}:${located}${query}`;
}

/** Sections 6.2.2.1 and 6.2.2.2. Undefined where an encoding is ambiguous, is no UTF-8 (an overlong "/" among others) or hides a control character. */
function normaliseCharacters(text: string): string | undefined {
  const encoded = text.replace(/[^A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]+/g, encodeURIComponent);
  const normal = encoded.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : triplet.toUpperCase();
  });
  if (refusedEncoded.test(normal)) return undefined;
  try {
    return refusedDecoded.test(decodeURIComponent(normal)) ? undefined : normal;
  } catch {
    return undefined;
  }
}

/** `//authority/path`. An authority of dots is refused: readers that cut the scheme off would climb with it. */
function normaliseLocated(hierarchy: string): string | undefined {
  const pathAt = hierarchy.indexOf('/', 2);
  const authority = hierarchy.slice(2, pathAt === -1 ? undefined : pathAt);
  const path = pathAt === -1 ? '' : hierarchy.slice(pathAt);
  const hostAt = authority.lastIndexOf('@') + 1;
  const host = authority
    .slice(hostAt)
    .replace(/[A-Z]+/g, (upper) => upper.toLowerCase())
    .replace(/%[0-9a-f]{2}/g, (triplet) => triplet.toUpperCase());
  if (/^\.+$/.test(host)) return undefined;
  return `//${authority.slice(0, hostAt)}${host}${withoutDots(path)}`;
}

/** A path without authority. Dots in one that does not begin with "/" have no agreed meaning, and a result beginning with "//" would turn into an authority. */
function normaliseLocal(path: string): string | undefined {
  if (!path.startsWith('/')) return path.split('/').some(isDots) ? undefined : path;
  const normal = withoutDots(path);
  return normal.startsWith('//') ? undefined : normal;
}

/** Section 5.2.4, for a path that is empty or begins with "/". */
function withoutDots(path: string): string {
  const segments = path.split('/');
  if (!segments.some(isDots)) return path;
  const kept: string[] = [];
  for (const segment of segments.slice(1)) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  // A dot segment at the end leaves its "/" behind.
  if (isDots(segments.at(-1) ?? '')) kept.push('');
  return `/${kept.join('/')}`;
}

function isDots(segment: string): boolean {
  return segment === '.' || segment === '..';
}

import type { Reading } from './problems.ts';

/** Headers that belong to HTTP, to MCP or to keygate itself. */
const ownedHeaders = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'accept',
  'accept-encoding',
  'date',
  'forwarded',
  'via',
  'origin',
  'last-event-id',
  'x-request-id',
  'x-real-ip',
]); // prettier-ignore
const ownedPrefixes = ['mcp-', 'proxy-', 'x-forwarded-', 'x-keygate-', 'sec-', 'access-control-'];

/** Whether keygate decides this header (lower case) and a configuration must not. */
export function isOwnedHeader(name: string): boolean {
  return ownedHeaders.has(name) || ownedPrefixes.some((prefix) => name.startsWith(prefix));
}

/** A header name (RFC 9110 section 5.1) in lower case. */
export function readCredentialHeader(text: string): Reading<string> {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(text))
    return { message: 'must be a header name', hint: 'such as authorization or x-api-key' };
  const name = text.toLowerCase();
  return isOwnedHeader(name) ? { message: 'is a header that keygate sets itself' } : { value: name };
}

/** A header value (RFC 9110 section 5.5). White space at its ends would be lost on the way, which mostly means that a part of the secret is missing. */
export function readCredentialValue(text: string): Reading<string> {
  if (text === '') return { message: 'must not be empty' };
  if (/[\r\n\0]/.test(text)) return { message: 'must not contain line breaks or NUL' };
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) return { message: 'must not contain control characters or characters beyond Latin-1' };
  if (text.trim() !== text) return { message: 'must not begin or end with white space', hint: 'a part of the value may be empty' };
  return text.length > 8192 ? { message: 'must have at most 8192 characters' } : { value: text };
}

const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/i;

/** 2026-07-28, transports, value encoding: `=?base64?…?=` holds UTF-8; anything else stands for itself. */
export function decodeHeaderValue(value: string): string | undefined {
  const base64 = encoded.exec(value)?.[1];
  if (base64 === undefined) return value;
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) return undefined;
  return bytes.toString('utf8');
}

/** The header value that stands for a text: itself where that is plain visible ASCII and cannot be taken for an encoded one. */
export function encodeHeaderValue(text: string): string {
  const plain = /^[!-~](?:[ -~]*[!-~])?$/.test(text) && !/^=\?base64\?.*\?=$/i.test(text);
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

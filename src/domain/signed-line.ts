import { type KeyObject, verify } from 'node:crypto';

/** Signs with an Ed25519 key (RFC 8032). */
export interface LineSigner {
  /** JWK thumbprint (RFC 7638) of the key. */
  readonly kid: string;
  /** Signature over the text's UTF-8 bytes, base64url. */
  sign(text: string): string;
}

const tail = /,"signature":"([A-Za-z0-9_-]{86})"\}$/;

/**
 * One line of JSON, `{"<name>":{…},"kid":"…","signature":"…"}`. The signature is over `keygate-<name>-v1`, a line feed, and the line's own text
 * up to (not including) `,"signature":`, so that nothing is printed again to verify it.
 */
export function signLine(name: string, members: object, signer: LineSigner): string {
  const open = JSON.stringify({ [name]: members, kid: signer.kid }).slice(0, -1);
  return `${open},"signature":"${signer.sign(signedText(name, open))}"}`;
}

/** What a line states under its name, before anything is believed; undefined where it is no such line. */
export function membersOfLine(name: string, text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith(`{"${name}":`)) return undefined;
  try {
    const members: unknown = JSON.parse(text)[name];
    return typeof members === 'object' && members !== null ? (members as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Why the line's signature cannot be believed, or undefined where it holds. */
export function lineProblem(name: string, text: string, publicKeys: ReadonlyMap<string, KeyObject>): string | undefined {
  const match = tail.exec(text);
  if (!match?.[1]) return 'it is not signed';
  const open = text.slice(0, match.index);
  const kid = /,"kid":"([^"\\]{1,128})"$/.exec(open)?.[1] ?? '';
  const key = publicKeys.get(kid);
  if (!key) return `it is signed by an unknown key (${kid})`;
  const signature = Buffer.from(match[1], 'base64url');
  // The last character has bits that decoding drops: only one spelling of a signature is right, so that no byte can be changed unseen.
  const sound = signature.toString('base64url') === match[1] && verify(null, Buffer.from(signedText(name, open)), key, signature);
  return sound ? undefined : 'its signature is wrong';
}

function signedText(name: string, open: string): string {
  return `keygate-${name}-v1\n${open}`;
}

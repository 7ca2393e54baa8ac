/** What the POST path of a stream is bound to: the key that opened it, and where. */
export function streamBound(keyId: string, path: string): string[] {
  return [keyId, path];
}

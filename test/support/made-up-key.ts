import { composeKey } from '../../src/domain/credential.ts';

/** A key that nobody minted, of the right shape and checksum, so that it must be looked up. */
export function madeUpKey(nth: number): string {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setInt32(0, nth);
  return composeKey({ prefix: 'kg', environment: 'live', id: 'AbCd1234', secret });
}

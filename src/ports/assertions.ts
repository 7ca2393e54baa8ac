import type { KeyRecord } from '../domain/key.ts';

/** Signs who is calling, for the upstream: `X-Keygate-Assertion` (ES256 JWT, at most 120 s), verifiable with the published JWKS. */
export interface Assertions {
  sign(options: { key: KeyRecord; audience: string }): Promise<string>;
}

import type { KeyRecord } from '../domain/key.ts';

/** Signs who is calling, for the upstream: `X-Keygate-Assertion` (ES256 JWT, at most 120 s), verifiable with the published JWKS. */
export interface Assertions {
  /** One that was signed before is there at once. @param options.scopes what the caller may do now; the key's own where absent. An access token may have been cut down. */
  sign(options: { key: KeyRecord; scopes?: readonly string[] | undefined; audience: string }): string | Promise<string>;
}

/** The second factor of one key: a TOTP secret (RFC 6238), sealed, and what was done with it. Times in ms since the epoch. */
export interface Factor {
  readonly keyId: string;
  /** Sealed under the gateway's seal: the store never holds it in the clear (I5). */
  readonly sealedSecret: string;
  /** False until the first right code: an enrolment that was never used protects nothing. */
  readonly confirmed: boolean;
  /** The last time step whose code was taken; none at or before it is taken again (RFC 6238, section 5.2). */
  readonly lastStep: number;
  /** Until when a passed step-up lasts. */
  readonly freshUntil: number;
  /** Wrong codes in a row, and until when none is looked at. */
  readonly failures: number;
  readonly lockedUntil: number;
  readonly revision: number;
}

/** Where second factors live: in the shared store, so that a step-up passed at one replica holds at all (I9). */
export interface Factors {
  get(keyId: string): Promise<Factor | undefined>;
  /** Puts the factor where the stored revision is `expected` (0 = there is none yet), with a journal record; false where it is not. */
  put(options: {
    factor: Factor;
    expected: number;
    record: { kind: 'stepup.enrolled' | 'stepup.passed' | 'stepup.failed'; [fact: string]: unknown };
  }): Promise<boolean>;
}

/** What did not get through to the store and must, for a while: an end of a hold, above all. */
export interface Retries {
  /**
   * Tries in the background until the act succeeds or the time has passed. Never throws; where too much waits already it does not begin, and what
   * would have been done is left to the expiry of the hold.
   * @param options.act  harmless when done twice
   * @param options.until  milliseconds since the epoch
   * @param options.quiet  giving up is nothing to tell: there may never have been anything to do
   */
  keepTrying(options: {
    what: string;
    act: () => Promise<void>;
    until: number;
    facts: Readonly<Record<string, unknown>>;
    quiet?: true;
  }): void;
}

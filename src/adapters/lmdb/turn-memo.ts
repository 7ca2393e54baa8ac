/** A read that is made once in a turn of the event loop. */
export interface TurnMemo<T> {
  read(): T;
  /** The next read is made anew: something was changed here. */
  forget(): void;
}

/**
 * What was read counts for the rest of this turn of the event loop, which is as long as LMDB's own snapshots hold: what another process commits
 * meanwhile would not be seen before the next turn anyway.
 * @param afterTurn calls back when the turn is over
 */
export function rememberForTurn<T>(read: () => T, afterTurn: (act: () => void) => unknown = setImmediate): TurnMemo<T> {
  let known: { readonly value: T } | undefined;
  const forget = (): void => {
    known = undefined;
  };
  return {
    read() {
      if (known) return known.value;
      known = { value: read() };
      afterTurn(forget);
      return known.value;
    },
    forget,
  };
}

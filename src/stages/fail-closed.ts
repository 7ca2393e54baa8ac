import { Denial } from '../domain/denial.ts';

/** Longer than any healthy commit; a store that hangs must not hang the caller. */
const commitMsMax = 5_000;

/** Waits for a commit, but not for ever. Rejects with Denial STORE_UNAVAILABLE where nothing can be said about it (I6). */
export function failClosed<T>(commit: Promise<T>): Promise<T> {
  // One promise and no race: every call waits here, and each promise more is work for the collector.
  return new Promise<T>((resolve, reject) => {
    const fail = (cause: unknown): void => {
      clearTimeout(timer);
      reject(cause instanceof Denial ? cause : new Denial('STORE_UNAVAILABLE', { cause }));
    };
    const timer = setTimeout(() => fail(new Error(`the store did not commit within ${commitMsMax} ms`)), commitMsMax);
    commit.then((value) => {
      clearTimeout(timer);
      resolve(value);
    }, fail);
  });
}

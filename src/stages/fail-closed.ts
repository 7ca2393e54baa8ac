import { Denial } from '../domain/denial.ts';

/** Longer than any healthy commit; a store that hangs must not hang the caller. */
const commitMsMax = 5_000;

/** Waits for a commit, but not for ever. @throws Denial STORE_UNAVAILABLE where nothing can be said about it (I6) */
export async function failClosed<T>(commit: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`the store did not commit within ${commitMsMax} ms`)), commitMsMax);
  try {
    return await Promise.race([commit, late]);
  } catch (cause) {
    throw cause instanceof Denial ? cause : new Denial('STORE_UNAVAILABLE', { cause });
  } finally {
    clearTimeout(timer);
  }
}

import type { Caller, Callers } from '../ports/callers.ts';

/** Who shows this text: an agent key, or an access token of this gateway. No key has a dot, every JWT in compact form has two. */
export async function callerOf(callers: Callers, text: string): Promise<Caller | undefined> {
  return text.split('.', 4).length === 3 ? callers.byAccessToken(text) : callers.byKey(text);
}

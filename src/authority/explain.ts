import { denialTable } from '../domain/denial.ts';
import type { Explanation } from '../domain/explanation.ts';
import type { Caller, Callers } from '../ports/callers.ts';
import { callerOf } from './caller-of.ts';
import { NotFound } from './problems.ts';

/** One call to be explained, of a key named by its id or shown as its text. */
export interface ExplainRequest {
  readonly keyId?: string | undefined;
  /** An agent key or an access token. */
  readonly key?: string | undefined;
  /** An upstream, or the path name of an agent or a bot. */
  readonly upstream: string;
  readonly tool: string;
  readonly method?: string | undefined;
  readonly arguments?: unknown;
  readonly address?: string | undefined;
}

type Asked = Omit<ExplainRequest, 'keyId' | 'key'> & { readonly caller: Caller };

/**
 * Finds whose call it would be and has it explained. An unknown key text is an answer (TOKEN_INVALID), an unknown id a mistake.
 * @param deps.judge the dry run, which is the gateway's own
 * @throws NotFound
 */
export async function explainCall(
  deps: { callers: Callers; judge: (asked: Asked) => Promise<Explanation> },
  { keyId, key, ...asked }: ExplainRequest,
): Promise<Explanation & { readonly keyId?: string }> {
  const caller = keyId === undefined ? await callerOf(deps.callers, key ?? '') : await deps.callers.byId(keyId);
  if (caller) return { keyId: caller.key.id, ...(await deps.judge({ ...asked, caller })) };
  if (keyId !== undefined) throw new NotFound('There is no key with this id.');
  const nobody = { scopes: { held: [], needed: [] }, price: '0', limits: [] };
  return { decision: 'refused', reason: 'TOKEN_INVALID', ...nobody, lift: denialTable.TOKEN_INVALID.advice };
}

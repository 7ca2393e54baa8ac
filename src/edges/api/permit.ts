import { type Act, permits, type Target } from '../../authority/confine.ts';
import { Denial } from '../../domain/denial.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { Caller } from '../../ports/callers.ts';
import type { ApiDeps } from './deps.ts';
import type { ListenerName, Operation } from './operation.ts';

/** What the caller must do before the same request is let through. */
const how = 'POST /api/v1/step-up {"code": "<six digits>"} with the same key, then repeat this request';

/**
 * Whether this key may ask for this operation at all, before anything about the request is read.
 * @throws Denial WRONG_KEY_KIND, INSUFFICIENT_SCOPE, STEP_UP_REQUIRED
 */
export async function permitOperation(
  deps: Pick<ApiDeps, 'stepUp' | 'stepUpForOperators'>,
  operation: Operation,
  request: { caller: Caller; listener: ListenerName; id: string; at: number },
): Promise<void> {
  const { caller, listener, id, at } = request;
  const { permission } = operation;
  const { key } = caller;
  if (operation.keyItself && caller.accessToken) {
    throw new Denial('INSUFFICIENT_SCOPE', { detail: 'This needs the key itself, not an access token.' });
  }
  if (permission === undefined) return;
  const isOperator = key.kind === 'operator';
  const isOwnChild = permission === 'keys.child' && id === key.id;
  if (isOperator && listener === 'data' && !isOwnChild) {
    throw new Denial('WRONG_KEY_KIND', { detail: 'Operators administer on the admin listener.' });
  }
  refuse(caller, permission, isOwnChild ? { id } : isOperator ? undefined : ownTarget(key));
  // A key may always narrow itself; everything else that an agent's key changes takes a second factor.
  const needsStepUp = isOperator
    ? deps.stepUpForOperators && operation.changes === true
    : permission !== 'keys.child' && operation.changes === true;
  if (needsStepUp) await requireFresh(deps, caller, at);
}

/** @throws Denial STEP_UP_REQUIRED unless the key passed its second factor a short while ago */
export async function requireFresh({ stepUp }: Pick<ApiDeps, 'stepUp'>, { key }: Caller, at: number): Promise<void> {
  if ((await stepUp.freshUntil(key.id, at)) <= at) throw new Denial('STEP_UP_REQUIRED', { facts: { how, stepUp: '/api/v1/step-up' } });
}

/** Whether the caller may do this to this very key. @throws Denial as authority/confine.ts says */
export function permitTarget(caller: Caller, act: Act, target: KeyRecord): void {
  refuse(caller, act, target);
}

function refuse(caller: Caller, permission: Act, target: Target | undefined): void {
  const reason = permits(caller, permission, target);
  if (reason === undefined) return;
  const facts = reason === 'INSUFFICIENT_SCOPE' && !caller.grants('manage') ? { scope: ['manage'] } : {};
  throw new Denial(reason, {
    detail: reason === 'WRONG_KEY_KIND' ? 'This is for keys of kind operator.' : 'The key may not do this.',
    facts,
  });
}

/** What a key of an agent or bot asks about before it is known which key that is: one of its own. */
function ownTarget({ kind, orgId, agentId, botId }: KeyRecord): Target {
  return {
    kind,
    ...(orgId === undefined ? {} : { orgId }),
    ...(agentId === undefined ? {} : { agentId }),
    ...(botId === undefined ? {} : { botId }),
  };
}

import { type ExplainRequest, explainCall } from '../authority/explain.ts';
import { type Verified, type VerifyRequest, verifyKey } from '../authority/verify-key.ts';
import type { Explanation } from '../domain/explanation.ts';
import type { Policy } from '../domain/policy.ts';
import type { Callers } from '../ports/callers.ts';
import type { Clock } from '../ports/clock.ts';
import { type ExplainPorts, explain } from '../stages/explain.ts';
import { judgeAccess } from '../stages/judge-access.ts';

/** Questions about keys and calls, answered by the gateway's own judgement without making the call. */
export interface DryRuns {
  /** @throws NotFound where no key has the id */
  explain(request: ExplainRequest): Promise<Explanation & { readonly keyId?: string }>;
  verifyKey(request: VerifyRequest): Promise<Verified>;
}

export function createDryRuns(parts: ExplainPorts & { callers: Callers; clock: Clock; policy: () => Policy }): DryRuns {
  const { callers, clock, policy } = parts;
  const here = () => ({ policy: policy(), now: clock.now() });
  return {
    explain: (request) => explainCall({ callers, judge: (asked) => explain(parts, { ...asked, ...here() }) }, request),
    verifyKey: (request) => verifyKey({ callers, judge: (asked) => judgeAccess(parts, { ...asked, ...here() }) }, request),
  };
}

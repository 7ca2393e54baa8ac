import { Denial } from '../domain/denial.ts';
import { refuseDead } from './authenticate.ts';
import { findRule, requireScopes, requireUpstream } from './authorize.ts';
import type { ExplainPorts } from './explain.ts';
import { type Imagined, imagine, untouched } from './imagine.ts';
import { locate } from './locate.ts';
import { understand } from './understand.ts';

/** What is asked of a key: each member that is there is judged. */
export type AccessQuestion = Pick<Imagined, 'policy' | 'caller' | 'now'> & {
  readonly scope?: string | undefined;
  readonly upstream?: string | undefined;
  readonly tool?: string | undefined;
};

/**
 * Whether a key is good, and good for this: alive, holding the scope, at home at the upstream, and with what the tool's rule needs of a
 * key. Arguments, second factors and money belong to a call, so they are not judged; `explain` does. Nothing is written.
 */
export async function judgeAccess(ports: ExplainPorts, question: AccessQuestion): Promise<Denial | undefined> {
  try {
    await requireAccess(ports, question);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Denial) return thrown;
    throw thrown;
  }
}

async function requireAccess(ports: ExplainPorts, { policy, caller, now, scope, upstream, tool }: AccessQuestion): Promise<void> {
  refuseDead(caller, now);
  if (upstream !== undefined) {
    const located = await locate({ throttle: untouched }, imagine({ policy, caller, now, upstream, tool: tool ?? '' }));
    requireUpstream(located);
    const understood = tool === undefined ? undefined : understand(ports, located);
    if (understood?.intent.kind === 'request') {
      const { rule } = await findRule(ports, understood, understood.intent.message);
      if (rule) requireScopes(understood, rule);
    }
  } else if (tool !== undefined && !caller.admitsTool(tool)) throw new Denial('TOOL_NOT_ALLOWED', { facts: { tool } });
  if (scope !== undefined && !caller.grants(scope)) {
    throw new Denial('INSUFFICIENT_SCOPE', { facts: { needed: [scope], scope: [...new Set([...caller.key.scopes, scope])] } });
  }
}

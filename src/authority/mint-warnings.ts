import { deadReason } from '../domain/key.ts';
import type { Authority } from './authority.ts';
import type { MintJudgement } from './judge-mint.ts';

/** What is allowed but seldom meant: one sentence each. */
export function mintWarnings(authority: Authority, judgement: MintJudgement): string[] {
  const { terms, scopes, agentId, expiresAt, createdAt } = judgement;
  const warnings: string[] = [];
  for (const scope of scopes) {
    const segments = scope.split(':');
    if (segments.includes('*')) warnings.push(`The scope ${scope} holds a wildcard: it also covers what is added later.`);
    if (segments[0] === 'manage' || segments[0] === 'admin')
      warnings.push(`The scope ${scope} lets the key change things; give it to people, not to agents.`);
  }
  if (scopes.length === 0) warnings.push('The key has no scope, so no rule admits it to anything.');
  if (expiresAt === undefined) warnings.push('The key never expires: it works until someone revokes it.');
  const other = agentId !== undefined && terms.kind === 'agent' ? liveKeyOf(authority, agentId, createdAt) : undefined;
  if (other !== undefined)
    warnings.push(`The agent ${agentId} already has the live key ${other}: one key per agent keeps the audit trail readable.`);
  return warnings;
}

function liveKeyOf(authority: Authority, agentId: string, now: number): string | undefined {
  const { keys } = authority.keyring.list({ filter: { agentId, kind: 'agent' }, limit: 100 });
  return keys.find((key) => deadReason(key, now) === undefined)?.id;
}

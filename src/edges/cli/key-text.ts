import type { KeyView } from '../../authority/view.ts';
import { pairs, plain } from './print.ts';

/** A key for people: what it has, without what it has not. */
export function keyText(key: KeyView, childIds: readonly string[] = []): string {
  return pairs([
    ['id', key.id],
    ['name', key.name],
    ['status', key.revokedAt === null ? key.status : `${key.status} at ${key.revokedAt}: ${key.revokedReason ?? ''}`],
    ['kind', key.kind],
    ['environment', key.environment],
    ['key', `${key.prefix}…${key.last4}`],
    ['org', key.orgId],
    ['agent', key.agentId],
    ['bot', key.botId],
    ['account', key.accountId],
    ['on behalf of', key.onBehalfOf],
    ['parents', key.parentIds.join(' ')],
    ['children', key.children ? childIds.join(' ') : 'not allowed'],
    ['scopes', key.scopes.join(' ')],
    ['budgets', key.budgets.map((budget) => `${budget.amount}/${budget.per}${zoneText(budget.zone)}`).join(', ')],
    ['caps', key.caps.map((cap) => `${cap.calls}/${cap.per}${zoneText(cap.zone)}${cap.tool === null ? '' : `:${cap.tool}`}`).join(', ')],
    ['rate', key.rate === null ? null : `${key.rate.calls}/${key.rate.perSeconds}s`],
    ['max uses', key.maxUses],
    ['upstreams', key.upstreams.join(' ')],
    ['tools', key.tools.join(' ')],
    ['addresses', key.addresses.join(' ')],
    ['owner', key.owner],
    ['purpose', key.purpose],
    [
      'metadata',
      Object.entries(key.metadata)
        .map(([name, value]) => `${name}=${value}`)
        .join(', '),
    ],
    ['created', key.createdAt],
    ['expires', key.expiresAt ?? 'never'],
    ['old secret', key.previousUntil === null ? null : `works until ${key.previousUntil}`],
  ]);
}

/** A key that has just been made. This is the only time its text is shown. */
export function newKeyText(key: string, view: KeyView): string {
  return `${plain(key)}\n\nCopy the key now: it is not shown again.\n\n${keyText(view)}`;
}

function zoneText(zone: string): string {
  return zone === 'UTC' ? '' : `@${zone}`;
}

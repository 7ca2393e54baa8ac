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
    ...limitPairs(key),
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

/** Budgets and caps of a key or an account, in the form in which options take them. */
export function limitPairs({ budgets, caps }: Pick<KeyView, 'budgets' | 'caps'>): [string, string][] {
  const window = ({ per, zone, tool, soft }: KeyView['caps'][number] | KeyView['budgets'][number]): string =>
    `/${per}${zone === 'UTC' ? '' : `@${zone}`}${tool === null ? '' : `:tool=${tool}`}${soft ? ':soft' : ''}`;
  return [
    ['budgets', budgets.map((budget) => `${budget.amount}${window(budget)}`).join(', ')],
    ['caps', caps.map((cap) => `${cap.calls}${window(cap)}`).join(', ')],
  ];
}

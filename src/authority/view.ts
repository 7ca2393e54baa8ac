import { deadReason, type KeyRecord } from '../domain/key.ts';
import { formatMicros } from '../domain/money.ts';

export type KeyStatus = 'active' | 'expired' | 'revoked';

/** A key as people and programs may see it: no secret and no digest. Times are ISO 8601 in UTC, money decimal strings, absent things null. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly environment: string;
  readonly status: KeyStatus;
  readonly prefix: string;
  readonly last4: string;
  readonly orgId: string | null;
  readonly agentId: string | null;
  readonly botId: string | null;
  readonly accountId: string | null;
  readonly onBehalfOf: string | null;
  readonly parentIds: readonly string[];
  readonly scopes: readonly string[];
  readonly budgets: readonly BudgetView[];
  readonly caps: readonly CapView[];
  readonly rate: { readonly calls: number; readonly perSeconds: number } | null;
  readonly upstreams: readonly string[];
  readonly tools: readonly string[];
  readonly addresses: readonly string[];
  /** Whether it may mint narrower keys. */
  readonly children: boolean;
  readonly maxUses: number | null;
  readonly owner: string | null;
  readonly purpose: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly revokedReason: string | null;
  /** Until when the secret before the last rotation works; null where none does. */
  readonly previousUntil: string | null;
  readonly revision: number;
}

interface RestrictionView {
  readonly per: string;
  readonly zone: string;
  /** Null = every tool. */
  readonly tool: string | null;
  /** Whether it warns and refuses nothing. */
  readonly soft: boolean;
}

export interface BudgetView extends RestrictionView {
  readonly amount: string;
}

export interface CapView extends RestrictionView {
  readonly calls: number;
}

/** Limits as people and programs see them, of a key or an account. */
export function viewLimits({ budgets, caps }: Pick<KeyRecord, 'budgets' | 'caps'>): { budgets: BudgetView[]; caps: CapView[] } {
  return {
    budgets: budgets.map(({ amount, per, zone, tool = null, soft = false }) => ({ amount: formatMicros(amount), per, zone, tool, soft })),
    caps: caps.map(({ calls, per, zone, tool = null, soft = false }) => ({ calls, per, zone, tool, soft })),
  };
}

/** Limits in a line each, as the journal names them: `5/day@UTC:tool=get_*:soft`. */
export function limitTexts(limits: Pick<KeyRecord, 'budgets' | 'caps'>): { budgets: string[]; caps: string[] } {
  const suffix = ({ per, zone, tool, soft }: RestrictionView): string =>
    `/${per}@${zone}${tool === null ? '' : `:tool=${tool}`}${soft ? ':soft' : ''}`;
  const { budgets, caps } = viewLimits(limits);
  return {
    budgets: budgets.map((budget) => `${budget.amount}${suffix(budget)}`),
    caps: caps.map((cap) => `${cap.calls}${suffix(cap)}`),
  };
}

/** The public form of a record. Members are named one by one, so that nothing added to the record shows by accident (I5). */
export function viewKey(key: KeyRecord, now: number): KeyView {
  return {
    id: key.id,
    name: key.name,
    kind: key.kind,
    environment: key.environment,
    status: statusOf(key, now),
    prefix: key.prefix,
    last4: key.last4,
    orgId: key.orgId ?? null,
    agentId: key.agentId ?? null,
    botId: key.botId ?? null,
    accountId: key.accountId ?? null,
    onBehalfOf: key.onBehalfOf ?? null,
    parentIds: key.parentIds,
    scopes: key.scopes,
    ...viewLimits(key),
    rate: key.rate === undefined ? null : { calls: key.rate.calls, perSeconds: key.rate.perSeconds },
    upstreams: key.upstreams,
    tools: key.tools,
    addresses: key.addresses,
    children: key.children !== false,
    maxUses: key.maxUses ?? null,
    owner: key.owner ?? null,
    purpose: key.purpose ?? null,
    metadata: key.metadata ?? {},
    createdAt: timeText(key.createdAt),
    expiresAt: key.expiresAt === undefined ? null : timeText(key.expiresAt),
    revokedAt: key.revokedAt === undefined ? null : timeText(key.revokedAt),
    revokedReason: key.revokedReason ?? null,
    previousUntil: previousUntil(key, now),
    revision: key.revision,
  };
}

function previousUntil(key: KeyRecord, now: number): string | null {
  const ends = key.digests.flatMap(({ until }) => (until !== undefined && until > now ? [until] : []));
  return ends.length === 0 ? null : timeText(Math.max(...ends));
}

export function statusOf(key: KeyRecord, now: number): KeyStatus {
  const dead = deadReason(key, now);
  return dead === 'TOKEN_REVOKED' ? 'revoked' : dead === 'TOKEN_EXPIRED' ? 'expired' : 'active';
}

/** Milliseconds since the epoch as ISO 8601 in UTC. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

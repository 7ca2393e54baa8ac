import { rootOf } from '../../domain/key.ts';
import { formatMicros } from '../../domain/money.ts';
import { checkAdmit } from '../../domain/reservation.ts';
import type { AdmitRequest, AdmitResult, Ledger, LimitBreach } from '../../ports/ledger.ts';
import type { RunCall } from './grouped.ts';
import { entryArguments } from './key-entry.ts';
import type { KnownAccounts } from './known-accounts.ts';
import { accountOf } from './plan.ts';
import type { Plans } from './plans.ts';

/** What admits and previews work with. */
export interface Admitting {
  readonly plans: Plans;
  readonly accounts: KnownAccounts;
  /** An act of acts.lua. */
  readonly run: RunCall;
  /** The partition of a ledger root. */
  readonly partitionOf: (root: string) => string;
}

/** @throws Error for requests that contradict themselves, and where the store does not answer */
export async function admit({ plans, accounts, run, partitionOf }: Admitting, request: AdmitRequest): Promise<AdmitResult> {
  checkAdmit(request);
  const { root, reservationId, intent, price, now, holdUntil } = request;
  const [time, facts] = entryArguments({ ...intent, decision: 'allowed', held: formatMicros(price), reservationId }, now);
  const answer = await accounts.with(accountOf(request), (account) =>
    run(partitionOf(root), [plans(request, account), reservationId, time, String(holdUntil), facts]),
  );
  return resultOf(answer, reservationId);
}

/** The limit that would refuse the call. It is judged by the script that would refuse it, as it stands, and nothing is written. */
export async function preview(
  { plans, accounts, run, partitionOf }: Admitting,
  request: Parameters<Ledger['preview']>[0],
): Promise<LimitBreach | undefined> {
  const partition = partitionOf(rootOf(request.key));
  const answer = await accounts.with(accountOf(request), (account) => run(partition, [plans(request, account), '', '', '', '']));
  return answer.startsWith('limited ') ? (JSON.parse(answer.slice('limited '.length)) as LimitBreach) : undefined;
}

type DeadReason = Extract<AdmitResult, { kind: 'dead' }>['reason'];

function resultOf(answer: string, reservationId: string): AdmitResult {
  const space = answer.indexOf(' ');
  const [kind, rest] = space === -1 ? [answer, ''] : [answer.slice(0, space), answer.slice(space + 1)];
  switch (kind) {
    case 'admitted':
      return { kind, reservationId, ...(rest !== '' && { over: JSON.parse(rest) as string[] }) };
    case 'stale':
      return { kind };
    case 'dead':
      return { kind, reason: rest as DeadReason };
    case 'limited':
      return { kind, breach: JSON.parse(rest) as LimitBreach };
    case 'full':
      throw new Error('A counter has reached what can be counted exactly. Give the soft limit that it belongs to a shorter window.');
    default:
      throw new Error(`The store answered an admit with something unknown: ${answer.slice(0, 40)}.`);
  }
}

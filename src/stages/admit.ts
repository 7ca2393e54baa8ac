import { chargeOf } from '../domain/charge.ts';
import { Denial } from '../domain/denial.ts';
import { rootOf } from '../domain/key.ts';
import { formatMicros } from '../domain/money.ts';
import type { AdmitResult, Ledger, LimitBreach } from '../ports/ledger.ts';
import { refuseDead } from './authenticate.ts';
import { authorize } from './authorize.ts';
import { authorizeRoute } from './authorize-route.ts';
import { callFacts } from './call-facts.ts';
import { failClosed } from './fail-closed.ts';
import { overHeader } from './over-header.ts';
import type { Ports } from './ports.ts';
import type { Admission, Authorized, Reservation } from './reached.ts';
import type { RouteAuthorized } from './route-reached.ts';

/** A message, or a request for a pass-through route: they are admitted alike. */
type Judged = Authorized | RouteAuthorized;

type AdmitPorts = Pick<
  Ports,
  'ledger' | 'log' | 'callers' | 'catalogue' | 'toolPins' | 'stepUp' | 'clock' | 'hashArguments' | 'newId' | 'metrics' | 'retries'
>;

/** A record that changes between judgement and commit is judged again; one that never stands still is refused. */
const judgementsMax = 3;
/** How long a hold is looked for of which nothing is known, in milliseconds: a commit that was given up comes within seconds or never. */
const releaseMsMax = 15_000;

/**
 * Can they afford it, and is it on record? One durable commit answers both (I1, I2). Notifications, ping and answers to
 * server requests take no reservation, so no commit looks at their key: it is read here, whatever this process has heard of it.
 */
export function admit<Asked extends Judged>(ports: AdmitPorts, authorized: Asked): Promise<Asked & Admission> {
  const { intent } = authorized;
  if (isLiveOnly(authorized)) return admitLive(ports, authorized);
  const retry = intent.kind === 'request' ? intent.retry : undefined;
  if (!retry) return reserve(ports, authorized, judgementsMax);
  const taken = takeOnce(ports, authorized, { ...retry, spent: 'This requestState was used before.' });
  return taken.then(() => reserve(ports, authorized, judgementsMax));
}

async function admitLive<Asked extends Judged>(ports: AdmitPorts, authorized: Asked): Promise<Asked & Admission> {
  const { intent } = authorized;
  const proven = await judgeAnew(ports, authorized);
  if (intent.kind === 'answer') await takeOnce(ports, authorized, { ...intent, spent: 'This request was answered before.' });
  return seal(proven, undefined);
}

/** What was sealed to be used once is used now; if what follows fails it is gone all the same. @throws Denial INVALID_MESSAGE where it was used */
async function takeOnce(
  ports: Pick<Ports, 'ledger'>,
  { caller }: Judged,
  { onceId, onceUntil, spent }: { onceId: string; onceUntil: number; spent: string },
): Promise<void> {
  const first = await failClosed(ports.ledger.useOnce({ id: `${caller.key.id}:${onceId}`, until: onceUntil }));
  if (!first) throw new Denial('INVALID_MESSAGE', { detail: spent });
}

/** A notification that a rule of the operator's lets pass is a method of the upstream's, sent without an id: it is on record like any other. */
function isLiveOnly({ intent, rule }: Judged): boolean {
  if (intent.kind === 'request') return intent.gate?.by === 'key' && intent.gate.liveOnly === true;
  return intent.kind === 'answer' || (intent.kind === 'notification' && rule === undefined);
}

/**
 * The same judgement by the newest records of the key and its ancestors, of all that a change of them can take away.
 * @throws Denial where it may no longer be, or the store does not answer
 */
async function judgeAnew<Asked extends Judged>(ports: AdmitPorts, authorized: Asked): Promise<Asked> {
  const caller = await failClosed(ports.callers.again(authorized.caller));
  if (!caller) throw new Denial('TOKEN_INVALID');
  refuseDead(caller, ports.clock.now());
  if (!caller.admitsAddress(authorized.address)) throw new Denial('ADDRESS_NOT_ALLOWED');
  const asked: Judged = { ...authorized, caller };
  return ('route' in asked ? authorizeRoute(asked) : await authorize(ports, asked)) as Asked;
}

async function reserve<Asked extends Judged>(ports: AdmitPorts, authorized: Asked, judgementsLeft: number): Promise<Asked & Admission> {
  const { caller, policy, rule, reply } = authorized;
  const now = ports.clock.now();
  const reservation: Reservation = {
    facts: callFacts(ports, authorized, 'call.intent'),
    id: ports.newId(),
    root: rootOf(caller.key),
    holdUntil: now + policy.limits.holdMsMax,
  };
  const commit = ports.ledger.admit({
    root: reservation.root,
    reservationId: reservation.id,
    key: caller.key,
    ancestors: caller.ancestors,
    counts: authorized.counts,
    tool: authorized.subject.tool,
    price: authorized.price,
    totals: authorized.totals,
    now,
    holdUntil: reservation.holdUntil,
    // A hold expires when whoever ran the call is gone, and with them any word of how it ended.
    onExpiry: rule?.charge?.lost ?? 'full',
    // A lease is of calls that count.
    lease: authorized.counts ? rule?.lease : undefined,
    intent: reservation.facts,
  });
  let result: AdmitResult;
  try {
    result = await failClosed(commit);
  } catch (denial) {
    releaseLate(ports, authorized, { commit, reservation });
    throw denial;
  }
  if (result.kind === 'admitted') {
    if (result.over) {
      reply.carry(overHeader(result.over));
      ports.metrics.overSoftLimit(authorized.upstream.name);
    }
    return seal(authorized, reservation);
  }
  if (result.kind === 'dead') throw new Denial(result.reason, { recorded: true });
  if (result.kind === 'limited') throw breachDenial(authorized, result.breach, { now, recorded: true });
  const anew = await judgeAnew(ports, authorized);
  if (judgementsLeft <= 1) throw new Denial('STORE_UNAVAILABLE', { detail: 'The key keeps changing.' });
  return reserve(ports, anew, judgementsLeft - 1);
}

/**
 * A commit that was given up, or of which nothing is known, may have come or may come yet: its call was refused and never sent, so nothing must be
 * charged when its hold expires.
 */
function releaseLate(
  ports: AdmitPorts,
  { rule, price }: Judged,
  { commit, reservation }: { commit: Promise<AdmitResult>; reservation: Reservation },
): void {
  const { id, root, facts: known } = reservation;
  const release = async (): Promise<void> => {
    const result = await commit.catch(() => undefined);
    // Refused after all. Where nothing is known the hold is released if there is one.
    if (result && result.kind !== 'admitted') return;
    const { charge, facts } = chargeOf({ rule, held: price, ending: 'not-sent' });
    const refused = { ...known, kind: 'call.outcome', decision: 'refused', reason: 'STORE_UNAVAILABLE' } as const;
    const ended = { charge, released: true, now: ports.clock.now() };
    const outcome = { ...refused, ...facts, charged: formatMicros(charge), status: 'not-sent' };
    await ports.ledger.settle({ root, reservationId: id, ...ended, outcome });
  };
  release().catch(() => {
    const until = Math.min(reservation.holdUntil, ports.clock.now() + releaseMsMax);
    ports.retries.keepTrying({
      what: 'releasing a call that was not sent',
      act: release,
      until,
      facts: { requestId: known.requestId },
      quiet: true,
    });
  });
}

/** What a call takes, and of whom: the part of an admit that can be asked about beforehand. */
export function takings({ caller, counts, subject, price, totals }: Judged): Omit<Parameters<Ledger['preview']>[0], 'now'> {
  const { key, ancestors } = caller;
  return { key, ancestors, counts, tool: subject.tool, price, totals };
}

/** The one place where an Admission comes into being. */
function seal<Asked extends Judged>(authorized: Asked, reservation: Reservation | undefined): Asked & Admission {
  return { ...authorized, reservation } as Asked & Admission;
}

/** A limit that has no room for the call, as a refusal. Money and totals are decimal strings, counts whole numbers. */
export function breachDenial(authorized: Judged, breach: LimitBreach, { now, recorded }: { now: number; recorded: boolean }): Denial {
  const { rule, upstream } = authorized;
  const show = (amount: number) => (breach.unit === 'micros' ? formatMicros(amount) : amount);
  const limits = { limit: show(breach.limit), spent: show(breach.spent), held: show(breach.held), ...resetFacts(breach, now) };
  if (breach.reason === 'POLICY_DENIED') {
    const facts = { rule: rule?.id, ruleRevision: upstream.revision, limitName: breach.limitName, ...limits };
    return new Denial(breach.reason, { detail: 'A running total of an argument has no room for this call.', recorded, facts });
  }
  // Every other limit is the key's or the account's own, and is named in the rule's place.
  return new Denial(breach.reason, { recorded, facts: { rule: breach.limitName, ruleRevision: upstream.revision, ...limits } });
}

function resetFacts({ resetAt }: LimitBreach, now: number): Denial['facts'] {
  return resetAt === undefined ? {} : { resetAt: new Date(resetAt).toISOString(), retryAfterMs: Math.max(0, resetAt - now) };
}

import { Denial } from '../domain/denial.ts';
import type { KeyRecord } from '../domain/key.ts';
import { covers } from '../domain/scope.ts';
import type { Caller } from '../ports/callers.ts';
import { requireUpstream } from './authorize.ts';
import type { Admitted } from './reached.ts';
import type { CutReason } from './relay.ts';
import type { RouteAdmitted } from './route-reached.ts';

/** What is running, as the newest records of its key judge it. */
export interface Rejudged<Running> {
  readonly admitted: Running;
  /** Why it may not go on at all: the key may no longer use this upstream, or not from there. */
  readonly cut?: CutReason;
  /** True where lists that the key asks for may read otherwise now. */
  readonly seesOther: boolean;
}

/** Judges what is running by a newer caller of its key; undefined where that one says nothing new. */
export function rejudge<Running extends Admitted | RouteAdmitted>(admitted: Running, newest: Caller): Rejudged<Running> | undefined {
  const before = admitted.caller;
  if (!isNewer(newest, before)) return undefined;
  const next = { ...admitted, caller: sameRight(before, newest) };
  const cut = reasonToCut(next);
  return { admitted: next, ...(cut && { cut }), seesOther: sightOf(newest) !== sightOf(before) };
}

/** Two reads may come in the wrong order: only what is nowhere older counts. */
function isNewer(one: Caller, other: Caller): boolean {
  const before = lineOf(other);
  const grown = lineOf(one).map(({ revision }, at) => revision - (before[at]?.revision ?? 0));
  return grown.every((by) => by >= 0) && grown.some((by) => by > 0);
}

/** Opened with an access token, it stays within the scopes that the token spoke for then. A token lasts five minutes at most. */
function sameRight({ accessToken, digest, scopes }: Caller, newest: Caller): Caller {
  const shown = { ...newest, ...(digest === undefined ? {} : { digest }) };
  if (!accessToken) return shown;
  return { ...shown, accessToken, scopes, grants: (scope) => covers(scopes, scope) && newest.grants(scope) };
}

function reasonToCut(admitted: Admitted | RouteAdmitted): CutReason | undefined {
  if (!admitted.caller.admitsAddress(admitted.address)) return 'ADDRESS_NOT_ALLOWED';
  try {
    requireUpstream(admitted);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Denial) return 'TOOL_NOT_ALLOWED';
    throw thrown;
  }
}

/** What decides about what a list shows, of the key and of every ancestor. */
function sightOf(caller: Caller): string {
  return JSON.stringify(lineOf(caller).map(({ scopes, tools }) => [scopes, tools]));
}

function lineOf({ key, ancestors }: Caller): readonly KeyRecord[] {
  return [key, ...ancestors];
}

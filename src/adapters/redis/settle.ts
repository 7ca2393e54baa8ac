import { formatMicros } from '../../domain/money.ts';
import type { Ledger, SettleRequest } from '../../ports/ledger.ts';
import type { Admitting } from './admit.ts';
import type { Connection, Script } from './connection.ts';
import { entryArguments } from './key-entry.ts';
import { partitionOf, prefixOf } from './layout.ts';

/** @throws Error where the charge exceeds the hold, a released call is charged, the reservation was never admitted, or the store does not answer */
export async function settle({ run, partitionOf }: Pick<Admitting, 'run' | 'partitionOf'>, request: SettleRequest): Promise<void> {
  const { root, reservationId, charge, released = false } = request;
  const [time, facts] = outcomeArguments(request);
  const answer = await run(partitionOf(root), [released ? 'release' : 'settle', reservationId, time, String(charge), facts], {
    patient: true,
  });
  if (answer === 'unknown') {
    throw new Error(`Reservation ${reservationId} is not held: it was never admitted, or ended too long ago to be settled.`);
  }
  requireWithinHold(answer, charge);
}

/** Time and facts of an outcome, as scripts take them. @throws Error for requests that contradict themselves */
export function outcomeArguments({ reservationId, charge, released = false, now, outcome }: SettleRequest): [time: string, facts: string] {
  if (released && charge > 0) throw new Error(`Reservation ${reservationId} is released, so it is charged nothing.`);
  return entryArguments({ ...outcome, charged: formatMicros(charge), reservationId }, now);
}

/** @throws Error where a script answered that the charge is beyond the hold */
export function requireWithinHold(answer: string, charge: number): void {
  if (answer === 'settled') return;
  throw new Error(`A charge of ${charge} micro-units is not within the hold of ${answer.replace('beyond ', '')}.`);
}

/** Moves the hold's end later; false where the reservation has ended. Never earlier. */
export async function renew(
  connection: Connection,
  script: Script,
  { root, reservationId, holdUntil }: Parameters<Ledger['renew']>[0],
): Promise<boolean> {
  if (!Number.isFinite(holdUntil)) throw new Error('A hold needs a time to end at.');
  return (await connection.run(script, [prefixOf(partitionOf(root))], [reservationId, String(holdUntil)])) === 1;
}

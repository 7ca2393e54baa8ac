import { type KeyRecord, rootOf } from './key.ts';

/** Resends of an admit and second settles are recognised for this long after the end, in milliseconds. */
export const endedMsKept = 15 * 60_000;
/** A late settle corrects a captured hold for this long, in milliseconds. */
export const capturedMsKept = 24 * 3_600_000;
/** An answer under an idempotency key is remembered for this long, in milliseconds. */
export const replayMsKept = 24 * 3_600_000;

const idPattern = /^[\x21-\x7e]{1,128}$/;

/** @throws Error for ids that are not 1 to 128 printable ASCII characters: they would not fit a database key */
function checkReservationId(id: string): void {
  if (!idPattern.test(id)) throw new Error('A reservation id is 1 to 128 printable ASCII characters.');
}

/** @throws Error for an admit that contradicts itself */
export function checkAdmit(request: {
  readonly root: string;
  readonly reservationId: string;
  readonly key: KeyRecord;
  readonly counts: boolean;
  readonly price: number;
  readonly now: number;
  readonly holdUntil: number;
}): void {
  const { root, reservationId, key, counts, price, now, holdUntil } = request;
  checkReservationId(reservationId);
  if (!Number.isSafeInteger(price) || price < 0) throw new Error('A price is a whole number of micro-units, 0 or more.');
  if (price > 0 && !counts) throw new Error('A call that has a price counts against limits.');
  if (!Number.isFinite(now) || !Number.isFinite(holdUntil)) throw new Error('An admit needs the time and the end of its hold.');
  if (root !== rootOf(key)) throw new Error(`The ledger root of key ${key.id} is ${rootOf(key)}, not ${root}.`);
}

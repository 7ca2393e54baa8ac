import { formatMicros, microsMax } from './money.ts';

const idPattern = /^[A-Za-z0-9._:-]{1,64}$/;

/** @throws Error for a malformed id */
export function checkAccountId(id: string): void {
  if (!idPattern.test(id)) throw new Error('An account id is 1 to 64 characters of A-Z a-z 0-9 . _ : and -.');
}

/**
 * Checks a change of a balance as far as it can be without knowing it.
 * @param options.amount  micro-units; a credit is positive, an adjustment anything but 0
 * @throws Error
 */
export function checkBalanceChange({
  amount,
  reference,
  kind,
}: {
  amount: number;
  reference: string;
  kind: 'credit' | 'adjustment';
}): void {
  if (!Number.isSafeInteger(amount) || Math.abs(amount) > microsMax) throw new Error('An amount is a whole number of micro-units.');
  if (kind === 'credit' && amount <= 0) throw new Error('A credit is a positive amount.');
  if (kind === 'adjustment' && amount === 0) throw new Error('An adjustment is an amount other than nothing.');
  if (reference === '') throw new Error(`A ${kind} needs a reference, so that sending it twice counts once.`);
}

/** Why a balance cannot change by an amount; undefined where it can. */
export function balanceProblem({ balance, held }: { balance: number; held: number }, amount: number): string | undefined {
  const after = balance + amount;
  if (after > microsMax) return `The balance would be ${formatMicros(after)}; the largest is ${formatMicros(microsMax)}.`;
  if (amount < 0 && after < held) return `Only ${formatMicros(balance - held)} can be taken: the rest is gone or held by running calls.`;
  return undefined;
}

/** What is said where a reference was used for another amount. */
export function referenceProblem(before: number): string {
  return `The reference was used before, for ${formatMicros(before)}.`;
}

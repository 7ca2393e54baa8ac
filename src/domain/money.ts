/**
 * Money is an integer number of micro-units (1/1,000,000 of the currency unit) in a safe integer, never a float.
 * On the wire and in configuration it is a decimal string with at most six places.
 */
export type Micros = number & { readonly __micros: unique symbol };

/** The largest amount: one billion units. Sums of two amounts stay below 2^53, so no comparison can round. */
export const microsMax = 1_000_000_000_000_000;

const pattern = /^(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,6}))?$/;

/** Parses "12.5" to 12_500_000. Returns undefined for anything else: signs, exponents, more than six places, more than one billion. */
export function parseMicros(text: string): Micros | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const micros = Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
  return micros <= microsMax ? (micros as Micros) : undefined;
}

/** 12_500_000 to "12.5"; whole amounts have no point. The exact inverse of parseMicros. */
export function formatMicros(micros: number): string {
  const sign = micros < 0 ? '-' : '';
  const absolute = Math.abs(micros);
  const whole = Math.floor(absolute / 1_000_000);
  const rest = absolute % 1_000_000;
  return rest === 0 ? `${sign}${whole}` : `${sign}${whole}.${String(rest).padStart(6, '0').replace(/0+$/, '')}`;
}

export const zeroMicros = 0 as Micros;

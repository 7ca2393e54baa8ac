const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Parses "15m", "12h" or "30d" to milliseconds. Returns undefined for anything else, zero and more than a century included. */
export function parseLifetime(text: string): number | undefined {
  const match = /^([1-9][0-9]{0,9})(s|m|h|d|w)$/.exec(text);
  if (!match) return undefined;
  const ms = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  return ms <= 36_525 * unitMs.d ? ms : undefined;
}

/** Milliseconds as the largest unit that divides them: 7_776_000_000 to "90d". */
export function formatLifetime(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) if (ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  return `${ms} ms`;
}

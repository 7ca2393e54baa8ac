/**
 * C0 and C1 controls, DEL, line separators and bidirectional overrides: names come from keys, tools and upstreams, and must not
 * be able to move the cursor, colour a line or forge one.
 */
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** The text on one line, with what a terminal would obey shown as `\u001b`. */
export function plain(text: string): string {
  return text.replace(unprintable, escapeCharacter);
}

/** A value as JSON. What JSON leaves raw but a terminal obeys is escaped, which no reader of JSON can tell apart. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g,
    escapeCharacter,
  );
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Rows under their titles, columns aligned, two spaces apart. Cells are made plain. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return aligned([titles, ...rows]);
}

/** Names and values, one pair a line; pairs without a value are left out. */
export function pairs(entries: readonly (readonly [name: string, value: string | number | null | undefined])[]): string {
  const rows = entries.flatMap(([name, value]) => (value === null || value === undefined || value === '' ? [] : [[name, String(value)]]));
  return aligned(rows);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => plain(cell)));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

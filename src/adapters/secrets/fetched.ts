/** A secret's text, or what completes "needs the secret X, which …". Never shows what was read (I5). */
export type FetchedSecret = { value: string } | { message: string; hint?: string };

/** A place that keeps secrets, in the shape that config/secret-source.ts asks for. */
export interface SecretReader {
  readonly membersOnly: boolean;
  read(name: string, options: { signal: AbortSignal }): Promise<FetchedSecret>;
}

/** The error's code or name where it is a plain word, for an operator to look up. Its message may quote anything and is left out. */
export function wordOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return /^[A-Za-z0-9_]{1,64}$/.test(code) ? code : 'unknown reason';
}

const unreachable = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

/** Whether the error says that nobody answered. */
export function isUnreachable(error: unknown): boolean {
  return unreachable.has(wordOf(error)) || /^UND_ERR_(?:CONNECT_TIMEOUT|SOCKET|HEADERS_TIMEOUT)$/.test(wordOf(error));
}

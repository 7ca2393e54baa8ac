import { createHmac } from 'node:crypto';

/** What one delivery says, in the form of Standard Webhooks (standardwebhooks.com, version 1.0.0). */
export interface WebhookMessage {
  /** The same at every attempt, so that a receiver can tell a repeat. */
  readonly id: string;
  readonly body: string;
}

/**
 * The message about a record of a wanted kind; undefined for any other. `data` is the record as it stands in the journal, character for
 * character, so that its hash can be verified; arguments, where a journal keeps them, are taken out first.
 * @throws SyntaxError where the line is no JSON
 */
export function messageOf(text: string, wants: (kind: string) => boolean): WebhookMessage | undefined {
  const record: Readonly<Record<string, unknown>> = JSON.parse(text);
  const { kind, time, partition, seq, arguments: kept, ...rest } = record;
  if (typeof kind !== 'string' || !wants(kind)) return undefined;
  const shown = kept === undefined ? text : JSON.stringify({ kind, time, partition, seq, ...rest });
  return {
    id: `${String(partition)}-${String(seq)}`,
    body: `{"type":${JSON.stringify(kind)},"timestamp":${JSON.stringify(time ?? null)},"data":${shown}}`,
  };
}

/**
 * The headers that prove where a message comes from: HMAC-SHA-256 over `<id>.<seconds>.<body>` under each secret.
 * @param options.secrets newest first; `whsec_` and base64 stands for the bytes, any other text for itself
 * @param options.at milliseconds since the epoch, of this attempt
 */
export function signedHeaders(
  message: WebhookMessage,
  { secrets, at }: { secrets: readonly string[]; at: number },
): Record<string, string> {
  const { id, body } = message;
  const seconds = String(Math.floor(at / 1000));
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${seconds}.${body}`).digest('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signatures.join(' ') };
}

function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}

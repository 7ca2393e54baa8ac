import * as z from 'zod';
import type { RecordKind } from '../domain/record.ts';
import { readMilliseconds } from './amounts.ts';
import { closest, type Reading } from './problems.ts';
import { checked, meaning, oneOrMore } from './reading.ts';
import { recordKinds } from './record-kinds.ts';

/** An endpoint that is told of journal records. Its URL may hold a secret too. */
export interface WebhookConfig {
  url: string;
  /** Newest first; every delivery is signed with each. */
  secrets: string[];
  /** `*` = every kind. */
  kinds: (RecordKind | '*')[];
  timeoutMs: number;
}

/** Unlike an upstream's, the URL may have a query: several receivers know their senders by one. It is never shown. */
const url = meaning(z.string(), (text): Reading<string> => {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (!parsed || !/^https?:\/\/[^/]/i.test(text) || /[\s\\]/.test(text)) return { message: 'must be an http or https URL' };
  if (parsed.username !== '' || parsed.password !== '') return { message: 'must not contain a user name or password' };
  if (text.includes('#')) return { message: 'must not have a fragment' };
  return { value: parsed.href };
});

/** Standard Webhooks, "Signature scheme": `whsec_` and the base64 of 24 to 64 bytes. Any other text stands for its own bytes. */
const secret = checked((text) => {
  if (!text.startsWith('whsec_')) {
    return text.length >= 24
      ? undefined
      : { message: 'must have at least 24 characters', hint: 'or be whsec_ and the base64 of 24 to 64 bytes' };
  }
  const base64 = text.slice('whsec_'.length);
  const { length } = Buffer.from(base64, 'base64');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) && length >= 24 && length <= 64
    ? undefined
    : { message: 'must be whsec_ and the base64 of 24 to 64 bytes' };
});

const kind = meaning(z.string(), (text): Reading<RecordKind | '*'> => {
  const known = text === '*' ? text : recordKinds.find((each) => each === text);
  if (known !== undefined) return { value: known };
  const meant = closest(text, recordKinds);
  return {
    message: 'is no kind of journal record',
    hint: meant === undefined ? 'such as limit.threshold, or * for all' : `did you mean ${meant}?`,
  };
});

const timeout = meaning(z.union([z.int(), z.string()]), (written): Reading<number> => {
  const reading = readMilliseconds(written);
  return 'value' in reading && !(reading.value >= 100 && reading.value <= 30_000) ? { message: 'must be from 100 ms to 30 s' } : reading;
});

const webhook = z
  .strictObject({
    url: url.describe('Where to send: http or https. Never shown.'),
    secret: oneOrMore(secret).describe('Signs what is sent. Take it from ${env:NAME} or ${file:/path}; a list rotates it, newest first.'),
    kinds: z.array(kind).min(1).describe('Kinds of journal records, or * for all.'),
    timeoutMs: timeout.prefault(10_000).describe('Longest wait for the answer.'),
  })
  .transform(({ url, secret: secrets, kinds, timeoutMs }): WebhookConfig => ({ url, secrets, kinds: [...new Set(kinds)], timeoutMs }));

/** How far an endpoint has come is kept under its URL, so two of the same URL would share it. */
export const webhooksSchema = meaning(z.array(webhook).max(32), (webhooks): Reading<WebhookConfig[]> => {
  const unique = new Set(webhooks.map(({ url }) => url)).size === webhooks.length;
  return unique ? { value: webhooks } : { message: 'names the same url twice', hint: 'put the kinds of both in one' };
});

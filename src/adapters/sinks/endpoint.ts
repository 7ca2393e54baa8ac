import { createHash } from 'node:crypto';
import type { Clock } from '../../ports/clock.ts';
import type { Duties } from '../../ports/duties.ts';
import type { Journal, JournalLine } from '../../ports/journal.ts';
import type { Log } from '../../ports/observe.ts';
import { firstPosition } from './first-position.ts';
import type { Posted } from './post.ts';
import { messageOf, signedHeaders, type WebhookMessage } from './webhook-message.ts';

/** A receiver as it is configured. The URL may hold a secret, and is never shown. */
export interface Webhook {
  readonly url: string;
  readonly secrets: readonly string[];
  /** Kinds of records; `*` = every one. */
  readonly kinds: readonly string[];
  readonly timeoutMs: number;
}

export interface EndpointPorts {
  readonly journal: Journal;
  readonly duties: Duties;
  readonly clock: Clock;
  readonly log: Log;
  /** From 0 to, not including, 1. */
  readonly random: () => number;
  /** Makes what is committed readable, now and then. */
  readonly freshen: () => Promise<void>;
  readonly send: (webhook: Webhook, message: { headers: Record<string, string>; body: string }) => Promise<Posted>;
}

/** One receiver, which follows the journal by itself. */
export interface Endpoint {
  /** Takes another configuration of the same URL; a receiver that was given up is tried again. */
  configure(webhook: Webhook): void;
  /** Begins to send what there is, unless that is under way, or it is too soon after a failure. Never throws. */
  round(): void;
  /** Resolves once nothing is under way. */
  settled(): Promise<void>;
  /** Sends no more, and lets another process take over. */
  stop(): Promise<void>;
}

const pageLines = 200;
const firstWaitMs = 1_000;
const longestWaitMs = 300_000;
/** What a receiver that is new gets of the past. More than a moment, because a process may die before its first round. */
const pastMs = 86_400_000;

/**
 * Sends the wanted records to one receiver: in order, each at least once, the next only after 2xx. The journal is the queue and the duty's
 * progress the cursor, so nothing waits in memory and a receiver that is down loses nothing.
 */
export function createEndpoint(ports: EndpointPorts, first: Webhook): Endpoint {
  const { journal, duties, clock, log, random } = ports;
  const name = `webhook ${createHash('sha256').update(first.url).digest('hex').slice(0, 16)}`;
  const facts = { webhook: name, origin: new URL(first.url).origin };
  let webhook = first;
  let running: Promise<void> | undefined;
  let state: 'open' | 'gone' | 'stopped' = 'open';
  let failures = 0;
  let notBefore = Number.NEGATIVE_INFINITY;

  const hold = (): Promise<boolean> => duties.hold(name, Math.max(30_000, 2 * webhook.timeoutMs));

  const failed = (reason: string, retryAfterMs = 0): void => {
    failures += 1;
    const wait = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 20));
    const inMs = Math.round(Math.max(wait / 2 + (random() * wait) / 2, Math.min(retryAfterMs, longestWaitMs)));
    notBefore = clock.monotonic() + inMs;
    log.warn('a webhook was not delivered; it will be sent again', { ...facts, reason, failures, inMs });
  };

  /** True where the receiver has it. */
  const deliver = async (message: WebhookMessage): Promise<boolean> => {
    const headers = signedHeaders(message, { secrets: webhook.secrets, at: clock.now() });
    const posted = await ports.send(webhook, { headers, body: message.body });
    if (state === 'stopped') return posted.kind === 'delivered';
    if (posted.kind === 'gone') {
      state = 'gone';
      log.fault('a webhook is switched off until the configuration is read again', new Error('The receiver answered 410 Gone.'), facts);
    } else if (posted.kind === 'failed') failed(posted.reason, posted.retryAfterMs);
    else {
      if (failures > 0) log.note('a webhook is delivered again', { ...facts, failures });
      failures = 0;
    }
    return posted.kind === 'delivered';
  };

  const begin = async (): Promise<number> => {
    const at = await duties.progress(name);
    const begun = `${name} begun`;
    if (at > 0 || (await duties.progress(begun)) > 0) return at;
    const from = await firstPosition(journal, clock.now() - pastMs);
    await duties.advance(name, from);
    await duties.advance(begun, 1);
    return from;
  };

  /** How far the page was dealt with, and whether there is reason to go on. */
  const sendPage = async (lines: readonly JournalLine[], from: number): Promise<{ at: number; goOn: boolean }> => {
    let at = from;
    for (const { position, text } of lines) {
      if (state !== 'open') return { at, goOn: false };
      const message = read(text, position);
      if (message) {
        // Renewed before each, since a page may take long: whoever has taken over goes on from the last that was delivered.
        if (!(await hold()) || !(await deliver(message))) return { at, goOn: false };
        await duties.advance(name, position);
      }
      at = position;
    }
    return { at, goOn: true };
  };

  const read = (text: string, position: number): WebhookMessage | undefined => {
    try {
      return messageOf(text, (kind) => webhook.kinds.includes('*') || webhook.kinds.includes(kind));
    } catch (error) {
      log.fault('a journal record cannot be read, and no webhook tells of it', error, { position });
      return undefined;
    }
  };

  const follow = async (): Promise<void> => {
    if (!(await hold())) return;
    let from = await begin();
    let goOn = true;
    let freshened = false;
    // Renewed for each page too: a long stretch without a wanted record takes its time.
    while (goOn && state === 'open' && (await hold())) {
      const lines = await journal.read({ after: from, limit: pageLines });
      if (lines.length === 0) {
        if (freshened) return;
        freshened = true;
        await ports.freshen();
        continue;
      }
      const { at, goOn: more } = await sendPage(lines, from);
      if (at > from) await duties.advance(name, at);
      from = at;
      goOn = more;
    }
  };

  return {
    configure(next) {
      webhook = next;
      failures = 0;
      notBefore = Number.NEGATIVE_INFINITY;
      if (state === 'gone') state = 'open';
    },
    round() {
      if (running || state !== 'open' || clock.monotonic() < notBefore) return;
      running = follow()
        .catch((error: unknown) => {
          if (state !== 'open') return;
          // The receiver did nothing wrong: it is not made to wait longer and longer for what the store did.
          notBefore = clock.monotonic() + firstWaitMs;
          log.warn('the store did not answer for a webhook; it is asked again', { ...facts, reason: reasonOf(error), inMs: firstWaitMs });
        })
        .finally(() => {
          running = undefined;
        });
    },
    async settled() {
      await running;
    },
    async stop() {
      state = 'stopped';
      await running;
      await duties.release(name).catch(() => undefined);
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown reason';
}

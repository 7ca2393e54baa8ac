import { setTimeout as wait } from 'node:timers/promises';
import type { Response } from 'undici';
import { createEventReader } from '../../domain/events.ts';
import { type Incoming, readIncoming } from './bridge-message.ts';
import { failureText, type Wire } from './bridge-wire.ts';

const eventBytesMax = 64 * 1024 * 1024;
const retryMsDefault = 1_000;
const retryMsMax = 60_000;
/** Attempts in a row that bring nothing. */
const attemptsMax = 5;

/** How far a stream was read. */
export interface Fed {
  readonly lastEventId: string | undefined;
  /** Milliseconds the gateway asked to wait before reconnecting. */
  readonly retryMs: number | undefined;
  readonly messages: number;
}

/** Reads a stream to its end, however it ends, and delivers its messages in order. */
export async function feed(
  response: Response,
  options: { deliver: (incoming: Incoming) => Promise<void>; tell: (text: string) => void },
): Promise<Fed> {
  const reader = createEventReader(eventBytesMax);
  let lastEventId: string | undefined;
  let retryMs: number | undefined;
  let messages = 0;
  try {
    for await (const chunk of response.body ?? []) {
      for (const event of reader.push(Buffer.from(chunk as Uint8Array))) {
        lastEventId = event.id ?? lastEventId;
        retryMs = event.retry ?? retryMs;
        // Events without data only carry an id to resume from.
        if (event.name !== 'message' || !event.text) continue;
        const incoming = readIncoming(event.text);
        if (incoming === undefined) options.tell('the gateway sent an event that is not JSON-RPC');
        for (const message of incoming ?? []) await options.deliver(message);
        messages += 1;
      }
    }
  } catch {
    // A stream that breaks is a stream that ends: what is missing is seen by what was not answered.
  }
  return { lastEventId, retryMs, messages };
}

/**
 * Opens the listening stream, or with `first` the rest of a stream that ended early (2025-11-25, resumability), again and again until
 * there is enough, the gateway refuses, or nothing comes of it. A refusal with 405 is the gateway's way to say that it has no such stream.
 */
export async function keepListening(options: {
  wire: Wire;
  signal: AbortSignal;
  feed: (response: Response) => Promise<Fed>;
  enough: () => boolean;
  first?: Fed;
  tell?: (text: string) => void;
}): Promise<void> {
  const { wire, signal, enough, first, tell } = options;
  let lastEventId = first?.lastEventId;
  // The rest of an answer can be asked for only by the id of the last event that came.
  if (first !== undefined && lastEventId === undefined) return;
  let retryMs = first?.retryMs ?? retryMsDefault;
  let attempts = 0;
  let isFirst = first === undefined;
  while (!signal.aborted && !enough() && attempts < attemptsMax) {
    if (!isFirst) await wait(Math.min(retryMs, retryMsMax), undefined, { signal }).catch(() => undefined);
    isFirst = false;
    if (signal.aborted) return;
    attempts += 1;
    try {
      const response = await wire.listen({ lastEventId, signal });
      if (response.status !== 200) {
        await response.body?.cancel();
        if (response.status >= 500 || response.status === 429) continue;
        if (response.status !== 405) tell?.(`the listening stream was refused (HTTP ${response.status})`);
        return;
      }
      const fed = await options.feed(response);
      lastEventId = fed.lastEventId ?? lastEventId;
      retryMs = fed.retryMs ?? retryMs;
      if (fed.messages > 0) attempts = 0;
    } catch (error) {
      if (!signal.aborted && attempts === attemptsMax) tell?.(failureText(error));
    }
  }
}

import { type AnswerOptions, type Errand, failErrand, feedErrand, takeAnswer } from './bridge-answer.ts';
import type { Outgoing } from './bridge-message.ts';
import { keepListening } from './bridge-stream.ts';
import { failureText } from './bridge-wire.ts';

export interface Carrier {
  /** Sends one message and writes every answer to it. Never rejects: a failure is an answer too. */
  carry(outgoing: Outgoing): Promise<void>;
  /** Resolves when nothing of the carrier runs any more; only after `stop` has fired. */
  ended(): Promise<void>;
}

export interface CarrierOptions extends AnswerOptions {
  readonly stop: AbortSignal;
}

export function createCarrier(options: CarrierOptions): Carrier {
  const { wire, stop } = options;
  /** Running requests of the stateless era, where closing the answer is the way to cancel (2026-07-28). */
  const cancellable = new Map<string | number, AbortController>();
  let listening: Listening | undefined;

  const send = async (outgoing: Outgoing, errand: Errand): Promise<void> => {
    const response = await wire.post(outgoing.text, { headers: outgoing.headers, signal: errand.signal });
    if (errand.initializes && response.ok) wire.remember({ id: response.headers.get('mcp-session-id') ?? undefined });
    await takeAnswer(options, errand, response);
    if (outgoing.method !== 'notifications/initialized' || !response.ok) return;
    listening?.stop.abort();
    listening = startListening(options);
  };

  return {
    async carry(outgoing) {
      const cancelled = outgoing.cancels === undefined ? undefined : cancellable.get(outgoing.cancels);
      if (cancelled !== undefined) return cancelled.abort();

      const own = new AbortController();
      const initializes = outgoing.method === 'initialize';
      const errand = { waiting: new Set(outgoing.ids), initializes, signal: AbortSignal.any([stop, own.signal]) };
      const isStateless = Object.keys(outgoing.headers).length > 0;
      if (isStateless) for (const id of outgoing.ids) cancellable.set(id, own);
      if (initializes) {
        listening?.stop.abort();
        wire.forget();
      }
      try {
        await send(outgoing, errand);
      } catch (error) {
        // A message that was given up has nobody left to answer, and neither has one whose client no longer reads.
        if (!errand.signal.aborted) await failErrand(options, errand, failureText(error)).catch(() => undefined);
      } finally {
        if (isStateless) for (const id of outgoing.ids) cancellable.delete(id);
      }
    },
    async ended() {
      await listening?.done;
    },
  };
}

interface Listening {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** The stream on which the gateway may speak unasked. */
function startListening(options: CarrierOptions): Listening {
  const own = new AbortController();
  const signal = AbortSignal.any([options.stop, own.signal]);
  const errand: Errand = { waiting: new Set(), initializes: false, signal };
  const done = keepListening({
    wire: options.wire,
    signal,
    feed: async (response) => await feedErrand(options, errand, response),
    enough: () => false,
    tell: options.tell,
  });
  return { stop: own, done };
}

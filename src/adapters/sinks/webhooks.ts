import { Agent } from 'undici';
import type { Clock } from '../../ports/clock.ts';
import type { Duties } from '../../ports/duties.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Log } from '../../ports/observe.ts';
import { createEndpoint, type Endpoint, type EndpointPorts, type Webhook } from './endpoint.ts';
import { post } from './post.ts';

export interface Webhooks {
  /** Takes the receivers of a configuration. One that was there before goes on where it was; one that was given up is tried again. */
  configure(webhooks: readonly Webhook[]): void;
  /** Once a second: starts whatever is due, each receiver on its own, and does not wait for it. Never throws. */
  round(): Promise<void>;
  /** Resolves once nothing is under way. */
  settled(): Promise<void>;
  /** Breaks running attempts off, and lets other processes take over. What was not answered is sent again. */
  close(): Promise<void>;
}

const connectTimeoutMs = 5_000;

/**
 * Tells receivers of journal records, as Standard Webhooks. One process of all does it for each receiver, while it holds that duty; what a
 * duty does twice is a message with the same id twice.
 * @param options.random from 0 to, not including, 1; spreads the attempts after a failure
 * @param options.readableEveryMs how often the journal is asked to make what is committed readable, where nothing is left to read
 */
export function createWebhooks(options: {
  journal: Journal;
  duties: Duties;
  clock: Clock;
  log: Log;
  random: () => number;
  webhooks: readonly Webhook[];
  readableEveryMs?: number;
}): Webhooks {
  const { journal, clock, readableEveryMs = 5_000 } = options;
  const dispatcher = new Agent({ connect: { timeout: connectTimeoutMs }, pipelining: 1 });
  const closing = new AbortController();
  const endpoints = new Map<string, Endpoint>();
  let askedAt = Number.NEGATIVE_INFINITY;

  const ports: EndpointPorts = {
    ...options,
    async freshen() {
      const now = clock.monotonic();
      if (now - askedAt < readableEveryMs) return;
      askedAt = now;
      await journal.head();
    },
    send: ({ url, timeoutMs }, message) => post(url, { ...message, timeoutMs, dispatcher, signal: closing.signal }),
  };

  const webhooks: Webhooks = {
    configure(wanted) {
      const urls = new Set(wanted.map(({ url }) => url));
      for (const [url, endpoint] of endpoints) {
        if (urls.has(url)) continue;
        endpoints.delete(url);
        void endpoint.stop();
      }
      for (const webhook of wanted) {
        const known = endpoints.get(webhook.url);
        if (known) known.configure(webhook);
        else endpoints.set(webhook.url, createEndpoint(ports, webhook));
      }
    },
    async round() {
      for (const endpoint of endpoints.values()) endpoint.round();
    },
    async settled() {
      await Promise.all([...endpoints.values()].map((endpoint) => endpoint.settled()));
    },
    async close() {
      closing.abort();
      await Promise.all([...endpoints.values()].map((endpoint) => endpoint.stop()));
      endpoints.clear();
      await dispatcher.destroy();
    },
  };
  webhooks.configure(options.webhooks);
  return webhooks;
}

import type { Pool } from 'undici';
import { createEventReader, type ServerEvent } from '../../../domain/events.ts';
import type { UpstreamExchange, UpstreamRequest } from '../../../ports/upstreams.ts';
import type { Link, LinkListener, OpenLink, SendTrouble } from '../duplex/link.ts';
import { brokenId, readMessage } from '../duplex/read-message.ts';
import { exchange } from '../http.ts';

/** Longest wait for a POST to be taken, in milliseconds; its answer comes on the stream. Nothing that long is read of what comes instead. */
const takenMsMax = 60_000;
const ignoredBytesMax = 64 * 1024;

interface EventLinkOptions {
  /** Where the stream is; messages are posted to the same origin. */
  readonly url: string;
  readonly calls: Pool;
  readonly streams: Pool;
  readonly startTimeoutMs: number;
  readonly eventBytesMax: () => number;
}

/** Links to servers of the HTTP+SSE transport (MCP 2024-11-05): a stream that first names the URL to post to, and then carries every answer. */
export function openEventLinks(options: EventLinkOptions): OpenLink {
  return (listener, headers) => openEventLink(options, listener, headers);
}

function openEventLink(options: EventLinkOptions, listener: LinkListener, headers: readonly string[]): Link {
  const { url, calls, streams, startTimeoutMs } = options;
  const reader = createEventReader(options.eventBytesMax());
  const posts = new Set<UpstreamExchange>();
  let waiting: ((path: string | undefined) => void)[] = [];
  let path: string | undefined;
  let over = false;
  /** Ends the link, once; what waits to be sent never was. */
  const end = (): void => {
    if (over) return;
    over = true;
    clearTimeout(slow);
    for (const send of waiting) send(undefined);
    waiting = [];
    stream.abort();
    for (const post of posts) post.abort();
    listener.onClosed();
  };
  const take = (event: ServerEvent): void => {
    if (event.name === 'endpoint' && path === undefined) {
      path = endpointPath(url, event.text ?? '');
      clearTimeout(slow);
      if (path === undefined) end();
      const ready = waiting;
      waiting = [];
      for (const send of ready) send(path);
    } else if (event.name === 'message' && event.text) {
      const scanned = readMessage(Buffer.from(event.text));
      if (scanned.ok) listener.onMessage(scanned.message);
      else listener.onBroken(brokenId(scanned));
    }
  };
  const slow = setTimeout(end, startTimeoutMs);
  const opening: UpstreamRequest = {
    ...{ upstream: '', method: 'GET', era: 'session', keyId: '' },
    headers: ['accept', 'text/event-stream', ...without(headers, ['accept', 'content-type', 'mcp-session-id'])],
    headTimeoutMs: startTimeoutMs,
    silenceTimeoutMs: 0,
    long: true,
  };
  const stream = exchange(streams, pathOf(url), opening, {
    onHead(status, { 'content-type': type, 'content-encoding': encoding }) {
      const fits = status === 200 && /^text\/event-stream\s*(?:;|$)/i.test(String(type)) && (encoding ?? 'identity') === 'identity';
      if (!fits) queueMicrotask(end);
    },
    onChunk(chunk) {
      try {
        if (!over) for (const event of reader.push(chunk)) take(event);
      } catch {
        queueMicrotask(end);
      }
      return true;
    },
    onEnd: end,
    onFailure: end,
  });

  const post = (to: string, bytes: Buffer, sent: readonly string[], taken: (trouble?: SendTrouble) => void): void => {
    let status = 0;
    let ignored = 0;
    const conclude = (): void => {
      posts.delete(posted);
      if (status >= 200 && status <= 299) taken();
      else taken({ status });
    };
    const request: UpstreamRequest = {
      ...{ upstream: '', method: 'POST', era: 'session', keyId: '' },
      headers: without(sent, ['mcp-session-id']),
      body: bytes,
      ...{ headTimeoutMs: takenMsMax, silenceTimeoutMs: takenMsMax, long: false },
    };
    const posted = exchange(calls, to, request, {
      onHead(answered) {
        status = answered;
      },
      onChunk(chunk) {
        ignored += chunk.length;
        if (ignored > ignoredBytesMax) posted.abort();
        return true;
      },
      onEnd: conclude,
      onFailure(failure) {
        if (status !== 0) return conclude();
        posts.delete(posted);
        taken(failure);
      },
    });
    posts.add(posted);
  };

  return {
    send(bytes, sent, taken) {
      const go = (to: string | undefined): void => {
        if (to === undefined) taken({ kind: 'connect', sent: false, cause: new Error('the event stream is not open') });
        else post(to, bytes, sent, taken);
      };
      if (over || path !== undefined) go(over ? undefined : path);
      else waiting.push(go);
    },
    async close() {
      end();
    },
    kill: end,
  };
}

/** Where to post, as a path of the same origin; undefined for any other: the upstream's credential goes there. */
function endpointPath(url: string, text: string): string | undefined {
  if (text === '' || !URL.canParse(text, url)) return undefined;
  const endpoint = new URL(text, url);
  const same = endpoint.origin === new URL(url).origin && endpoint.username === '' && endpoint.password === '';
  return same ? endpoint.pathname + endpoint.search : undefined;
}

function pathOf(url: string): string {
  return new URL(url).pathname;
}

/** A flat header list without some names. */
function without(headers: readonly string[], names: readonly string[]): string[] {
  return headers.flatMap((name, at) => (at % 2 === 0 && !names.includes(name.toLowerCase()) ? [name, headers[at + 1] ?? ''] : []));
}

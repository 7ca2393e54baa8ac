import { memberAt, scalarAt } from '../../../domain/member-at.ts';
import type { MessageId, NotificationMessage, RequestMessage, ResponseMessage, Span } from '../../../domain/message.ts';
import { scan } from '../../../domain/scan.ts';
import { splice } from '../../../domain/splice.ts';
import { oneLine } from './read-message.ts';

/** What of a request the other side of the link sees under another name, and what gives the client its own back. */
export interface Renamed {
  readonly bytes: Buffer;
  /** The client's own id, and its progress token where it gave one: their text as JSON. */
  readonly id: Buffer;
  readonly token: Buffer | undefined;
}

const tokenPath = ['params', '_meta', 'progressToken'];
const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';

/**
 * The request under an id that is unique on the link, which is its progress token there too: many clients count from one. Only these spans change, and the
 * result is scanned again (I4).
 */
export function renameRequest(message: RequestMessage, linkId: number): Renamed {
  const { bytes, idSpan } = message;
  const tokenSpan = memberAt(bytes, tokenPath);
  const text = String(linkId);
  const spans = tokenSpan ? [idSpan, tokenSpan] : [idSpan];
  const renamed = rescanned(
    oneLine(
      splice(
        bytes,
        spans.map((span) => ({ span, text })),
      ),
    ),
  );
  return { bytes: renamed, id: at(bytes, idSpan), token: tokenSpan && at(bytes, tokenSpan) };
}

/** A client's `notifications/cancelled` in the link's own terms. */
export function renameCancelled(message: NotificationMessage, span: Span, linkId: number): Buffer {
  return rescanned(oneLine(splice(message.bytes, [{ span, text: String(linkId) }])));
}

/** An answer with the client's own id; that of a subscription repeats it inside. */
export function restoreAnswer(message: ResponseMessage, id: Buffer): Buffer {
  const inner = message.outcome === 'result' ? memberAt(message.bytes, ['result', '_meta', subscriptionKey]) : undefined;
  const spans = inner ? [message.idSpan, inner] : [message.idSpan];
  return splice(
    message.bytes,
    spans.map((span) => ({ span, text: id })),
  );
}

/** Which request of the link a notification belongs to, and the span to put the client's own text in; undefined where it names none. */
export function belongsTo(message: NotificationMessage): { linkId: string | number; span: Span; by: 'token' | 'subscription' } | undefined {
  const { bytes, method } = message;
  const progress = method === 'notifications/progress';
  const span = memberAt(bytes, progress ? ['params', 'progressToken'] : ['params', '_meta', subscriptionKey]);
  const linkId = scalarAt(bytes, span);
  return span && linkId !== undefined ? { linkId, span, by: progress ? 'token' : 'subscription' } : undefined;
}

/** A message of the gateway's own, made here and not read. */
export function ownMessage(message: {
  id?: MessageId;
  method?: string;
  params?: object;
  result?: object;
  error?: { code: number; message: string };
}): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
}

function at(bytes: Buffer, { start, end }: Span): Buffer {
  return bytes.subarray(start, end);
}

const limits = { depthMax: 1_000, nodesMax: 100_000_000 } as const;

function rescanned(bytes: Buffer): Buffer {
  if (!scan(bytes, limits).ok) throw new Error('a renamed message no longer scans');
  return bytes;
}

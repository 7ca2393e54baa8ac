import { Denial } from '../../domain/denial.ts';
import { admit } from '../../stages/admit.ts';
import { authenticate } from '../../stages/authenticate.ts';
import { authorize } from '../../stages/authorize.ts';
import { listChangesFor } from '../../stages/list-changes.ts';
import { locate } from '../../stages/locate.ts';
import type { Ports } from '../../stages/ports.ts';
import type { Admitted, Reached, Received } from '../../stages/reached.ts';
import { answerDenial, asDenial, refuse } from '../../stages/refuse.ts';
import { rejudge } from '../../stages/rejudge.ts';
import { settle } from '../../stages/settle.ts';
import { stand } from '../../stages/stand.ts';
import { takeRates } from '../../stages/take-rates.ts';
import { usableMembers } from '../../stages/usable-members.ts';
import { type Connection, createConnection, type Serve } from './connection.ts';
import { streamBound } from './stream-bound.ts';

export interface LegacyParts {
  readonly ports: Ports;
  readonly serve: Serve;
  readonly alone: boolean;
  /** Open streams by their own id. */
  readonly connections: Map<string, Connection>;
}

const severalProcesses =
  'This gateway serves from several processes, and a stream of HTTP+SSE lives in one: use Streamable HTTP at /mcp, or have it run with workers: 1.';

/** Admits the stream as any other is admitted (I1), opens it, and resolves once it has ended and is settled. @param path as asked for, `/sse…` */
export async function openStream(parts: LegacyParts, received: Received, path: string): Promise<void> {
  const { ports } = parts;
  let reached: Reached = received;
  let admitted: Admitted;
  try {
    const request = await authenticate(ports, received);
    reached = request;
    const standing = stand(request);
    if (!parts.alone) throw new Denial('UNKNOWN_ENDPOINT', { detail: severalProcesses });
    await takeRates(ports, request);
    // Where several answer, the first stands for the stream on record; each of them has its own record for whatever it is sent.
    const [first] = usableMembers(request, standing);
    const located = await locate(ports, { ...request, member: first.name });
    reached = located;
    const intent = { kind: 'stream', resumed: undefined } as const;
    admitted = await admit(ports, await authorize(ports, { ...located, era: 'session', session: undefined, intent }));
    reached = admitted;
  } catch (thrown) {
    return refuse(ports, reached, thrown);
  }
  try {
    await holdOpen(parts, admitted, path);
    await settle(ports, { ...admitted, status: 200, ending: 'answered', upstreamMs: 0 });
  } catch (thrown) {
    const refusal = asDenial(ports, admitted, thrown);
    answerDenial(admitted, refusal);
    await settle(ports, { ...admitted, status: refusal.reason, ending: 'not-sent', refusal, upstreamMs: 0 });
  }
}

/** @throws Denial OVERLOADED where the key or this process has too many streams */
async function holdOpen({ ports, serve, connections }: LegacyParts, admitted: Admitted, path: string): Promise<void> {
  const { reply, policy, caller } = admitted;
  const connection = createConnection(admitted);
  const id = ports.newId();
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const leave = enterLive(ports, { admitted, connection, end });
  admitted.place?.giveWay();
  if (reply.closed) end();
  reply.onGone(end);
  connections.set(id, connection);
  reply.head(200, streamHeaders, true);
  const sealed = ports.seal.seal({ purpose: 'stream', bound: streamBound(caller.key.id, admitted.path), plain: id });
  reply.write(`event: endpoint\ndata: ${path}/messages/${sealed}\n\n`);
  const heartbeat = setInterval(() => reply.write(': keepalive\n\n'), policy.limits.heartbeatMs);
  await over;
  clearInterval(heartbeat);
  connections.delete(id);
  connection.abandonAll();
  if (!reply.closed) reply.end();
  leave();
  await endSession(serve, connection);
  await Promise.allSettled([...connection.running]);
}

function enterLive(
  { live }: Pick<Ports, 'live'>,
  { admitted, connection, end }: { admitted: Admitted; connection: Connection; end: () => void },
): () => void {
  const { caller, reservation, address } = admitted;
  const { accessToken, digest } = caller;
  let current = admitted;
  return live.enter({
    keyId: caller.key.id,
    address,
    ...(accessToken && { expiresAt: accessToken.expiresAt }),
    ...(digest !== undefined && { digest }),
    ...(reservation && { hold: { root: reservation.root, reservationId: reservation.id, until: reservation.holdUntil } }),
    kind: 'stream',
    streaming: () => true,
    cut: end,
    rejudge(newest) {
      const judged = rejudge(current, newest);
      if (!judged) return;
      current = judged.admitted;
      if (judged.cut) return end();
      // The upstream's own stream, where there is one, says it itself.
      if (!judged.seesOther || connection.listening) return;
      for (const text of listChangesFor(admitted.intent)) connection.deliver(Buffer.from(text));
    },
  });
}

/** The client of this transport ends its session by leaving; the upstream's would wait for nobody. */
async function endSession(serve: Serve, connection: Connection): Promise<void> {
  const { session, newest } = connection;
  if (session === undefined) return;
  const headers = { ...newest.headers, 'mcp-session-id': session };
  await serve({ ...newest, verb: 'DELETE', scanned: undefined, headers, reply: unheard() });
}

/** Nobody is there to hear how it ended. */
function unheard(): Received['reply'] {
  const nothing = (): void => undefined;
  return {
    ...{ closed: false, headSent: false, carry: nothing, head: nothing, end: nothing, cut: nothing, onGone: nothing, onDrain: nothing },
    write: () => true,
  };
}

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

import { Denial } from '../../domain/denial.ts';
import type { Ports } from '../../stages/ports.ts';
import type { Arrived, Received } from '../../stages/reached.ts';
import { receive } from '../../stages/receive.ts';
import { refuse } from '../../stages/refuse.ts';
import type { Connection, Serve } from './connection.ts';
import { openStream } from './open-stream.ts';
import { takePost } from './take-post.ts';

const name = '[a-z0-9][a-z0-9_-]{0,62}';
const streamPath = new RegExp(`^/sse(/${name})?$`);
const postPath = new RegExp(`^/sse(/${name})?/messages/([A-Za-z0-9_-]+)$`);

/**
 * HTTP+SSE, the transport of 2024-11-05, towards clients: `GET /sse/<name>` opens the stream that carries every answer, and its first event
 * names the path for POSTs. Each POST is authenticated, and goes through the gateway as the session-era message that it is. The stream lives
 * in this process, so a load balancer must send its POSTs here.
 * @param options.alone  false where its POSTs may come to another process: then no stream is opened
 * @returns undefined where the path is none of this transport
 */
export function createLegacySse(
  ports: Ports,
  serve: Serve,
  { alone }: { alone: boolean },
): (arrived: Arrived) => Promise<void> | undefined {
  const connections = new Map<string, Connection>();
  const began = async (arrived: Arrived, act: (received: Received) => Promise<void>): Promise<void> => {
    let received: Received;
    try {
      received = await receive(arrived);
    } catch (thrown) {
      return refuse(ports, arrived, thrown);
    }
    return act(received);
  };
  return (arrived) => {
    if (!arrived.path.startsWith('/sse')) return undefined;
    const [stream, own = ''] = streamPath.exec(arrived.path) ?? [];
    if (stream !== undefined) {
      const here = { ...arrived, path: `/mcp${own}` };
      // Clients that try Streamable HTTP first take this for what it is: an older server.
      if (arrived.verb !== 'GET') return refuse(ports, here, new Denial('METHOD_NOT_ALLOWED', { facts: { allow: ['GET'] } }));
      return began(here, (received) => openStream({ ports, serve, alone, connections }, received, stream));
    }
    const [post, at = '', sealed = ''] = postPath.exec(arrived.path) ?? [];
    if (post === undefined || arrived.verb !== 'POST') return undefined;
    // The transport's clients accept nothing but 202, so they say nothing of what they accept.
    const headers = { ...arrived.headers, accept: 'application/json, text/event-stream' };
    return began({ ...arrived, path: `/mcp${at}`, headers }, (received) =>
      takePost({ ports, serve, alone, connections }, received, sealed),
    );
  };
}

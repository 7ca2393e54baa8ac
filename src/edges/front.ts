import type { Ports } from '../stages/ports.ts';
import type { Arrived, Received } from '../stages/reached.ts';
import { receive } from '../stages/receive.ts';
import { refuse } from '../stages/refuse.ts';
import { endpointAt, isAggregate } from '../stages/stand.ts';
import { createAggregate } from './aggregate/aggregate.ts';
import { createBatch } from './batch.ts';
import { createLegacySse } from './legacy-sse/legacy-sse.ts';

/**
 * What stands before the gateway: the unit of the gateway is one message for one upstream, and what comes may be several. A batch is divided
 * into its messages, a message at a path over several upstreams among these, and the transport of 2024-11-05 is translated. Each part then
 * is a request of its own.
 * @param options.alone  false where several processes share the listener, and a client's next request may come to another
 */
export function createFront(
  ports: Ports,
  gateway: (arrived: Arrived | Received) => Promise<void>,
  { alone = true }: { alone?: boolean } = {},
): (arrived: Arrived) => Promise<void> {
  const aggregate = createAggregate(ports, gateway);
  const serveOne = (received: Received): Promise<void> => {
    const endpoint = endpointAt(received.policy, received.path);
    return endpoint && isAggregate(endpoint) ? aggregate(received) : gateway(received);
  };
  const batch = createBatch(ports, serveOne);
  const legacySse = createLegacySse(ports, serveOne, { alone });
  const plain = async (arrived: Arrived): Promise<void> => {
    let received: Received;
    try {
      received = await receive(arrived);
    } catch (thrown) {
      return refuse(ports, arrived, thrown);
    }
    const { scanned } = received;
    const array = scanned?.ok === false ? scanned.array : undefined;
    return array ? batch(received, array) : serveOne(received);
  };
  return (arrived) => legacySse(arrived) ?? plain(arrived);
}

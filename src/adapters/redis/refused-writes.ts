import type { Clock } from '../../ports/clock.ts';
import { StoreUnreachable } from '../../ports/store.ts';
import type { Connection } from './connection.ts';

/** A refusal counts as trouble for this long, in ms, unless another follows: a gateway writes twice a second even when nobody asks it anything. */
const troubleMs = 3_000;
/** The server answers and takes no writes: out of memory, a failed snapshot, too few replicas, no master any more. Or it takes them, and they are not kept as they should be. */
const refused = /^(?:OOM|MISCONF|NOREPLICAS|READONLY|MASTERDOWN|CLUSTERDOWN)\b/;

/** A connection whose trouble() also tells that the server takes no writes, so that readiness shows what calls would meet. */
export function tellRefusedWrites(connection: Connection, clock: Clock): Connection {
  let trouble = '';
  let refusedAt = Number.NEGATIVE_INFINITY;
  const watched = async <Result>(ran: Promise<Result>): Promise<Result> => {
    try {
      return await ran;
    } catch (error) {
      if (error instanceof Error && (refused.test(error.message) || error instanceof StoreUnreachable)) {
        trouble = `Redis takes no writes: ${error.message}`;
        refusedAt = clock.monotonic();
      }
      throw error;
    }
  };
  return {
    ...connection,
    run: (...script) => watched(connection.run(...script)),
    runAt: (...script) => watched(connection.runAt(...script)),
    trouble: () => connection.trouble() ?? (clock.monotonic() - refusedAt < troubleMs ? trouble : undefined),
  };
}

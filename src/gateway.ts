import { admit } from './stages/admit.ts';
import { authenticate } from './stages/authenticate.ts';
import { authorize } from './stages/authorize.ts';
import { forward } from './stages/forward.ts';
import { locate } from './stages/locate.ts';
import type { Ports } from './stages/ports.ts';
import type { Arrived, Reached, Received } from './stages/reached.ts';
import { receive } from './stages/receive.ts';
import { refuse } from './stages/refuse.ts';
import { settle } from './stages/settle.ts';
import { understand } from './stages/understand.ts';

/**
 * The whole life of one request. Each stage takes what the stage before it returns and either goes one step further or
 * throws a Denial from the closed table (domain/denial.ts); every refusal ends in the one catch below.
 *
 *     arrived -> received -> authenticated -> located -> understood -> authorized -> admitted -> forwarded -> settled
 *
 * After `admit` an intent is durable (I1), so from there on nothing is thrown: `forward` answers the client itself, says
 * how the attempt ended, and `settle` charges or releases.
 */
export function createGateway(ports: Ports): (arrived: Arrived | Received) => Promise<void> {
  return async function serve(arrived) {
    let reached: Reached = arrived;
    const keep = <Stage extends Reached>(stage: Stage): Stage => {
      reached = stage;
      return stage;
    };
    try {
      const received = keep(await receive(arrived)); //               well-formed HTTP, body within limits
      const caller = keep(await authenticate(ports, received)); //    who is calling?
      const located = keep(await locate(ports, caller)); //           where to: endpoint, kind, environment, address, rate
      const understood = keep(understand(ports, located)); //         what do they want, in which era?
      const authorized = keep(await authorize(ports, understood)); // may they?
      const admitted = keep(await admit(ports, authorized)); //       can they afford it, and is it on record?
      const forwarded = keep(await forward(ports, admitted)); //      one attempt, with the real credential
      await settle(ports, forwarded); //                              charge what was sent, release the rest
    } catch (thrown) {
      await refuse(ports, reached, thrown);
    }
  };
}

import { admit } from './stages/admit.ts';
import { authenticate } from './stages/authenticate.ts';
import { authorizeRoute } from './stages/authorize-route.ts';
import { forwardRoute } from './stages/forward-route.ts';
import { locateRoute } from './stages/locate-route.ts';
import type { Ports } from './stages/ports.ts';
import { receiveRoute } from './stages/receive-route.ts';
import { refuse } from './stages/refuse.ts';
import type { RouteArrived, RouteReached } from './stages/route-reached.ts';
import { settle } from './stages/settle.ts';

/**
 * The life of one request for what a server offers beside its MCP endpoint: that of a message (gateway.ts) without the message. Who is
 * calling, what they can afford, the record and the refusal are the same stages.
 */
export function createPassthroughGateway(ports: Ports): (arrived: RouteArrived) => Promise<void> {
  return async function serve(arrived) {
    let reached: RouteReached = arrived;
    const keep = <Stage extends RouteReached>(stage: Stage): Stage => {
      reached = stage;
      return stage;
    };
    try {
      const received = keep(await receiveRoute(arrived)); //           well-formed HTTP, body within limits
      const caller = keep(await authenticate(ports, received)); //     who is calling?
      const located = keep(await locateRoute(ports, caller)); //       which declared route, and may this key stand there?
      const authorized = keep(authorizeRoute(located)); //             may they?
      const admitted = keep(await admit(ports, authorized)); //        can they afford it, and is it on record?
      const forwarded = keep(await forwardRoute(ports, admitted)); //  one attempt, with the real credential
      await settle(ports, forwarded); //                               charge what was sent, release the rest
    } catch (thrown) {
      await refuse(ports, reached, thrown);
    }
  };
}

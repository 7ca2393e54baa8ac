import { collect } from './collect.ts';
import type { Admitted } from './reached.ts';
import type { Answer, Relay, RelayEnd } from './relay.ts';
import { upstreamDenial } from './relay.ts';
import { statusDenial } from './status-denial.ts';

/** As much of an error's body as is looked at. */
const errorBytesMax = 4096;

/** For what has no answer but "taken": notifications, client responses, the end of a session. A body is read and dropped. */
export function relayAcknowledgement(admitted: Admitted, { status }: Answer): Relay {
  const body = collect(errorBytesMax);
  return {
    streaming: false,
    chunk(chunk) {
      body.add(chunk);
      return true;
    },
    end(): RelayEnd {
      if (status < 200 || status > 299) return { status, refusal: statusDenial(admitted, { status, body: body.bytes() }) };
      const { reply, verb } = admitted;
      if (reply.closed) return { status: 'client-gone' };
      // Transports: 202 for accepted notifications and responses; DELETE answers as the upstream did.
      reply.head(verb === 'DELETE' ? status : 202, status === 204 && verb === 'DELETE' ? {} : { 'content-length': '0' });
      reply.end();
      return { status };
    },
    fail: (failure) => (admitted.reply.closed ? { status: 'client-gone' } : { status: failure.kind, refusal: upstreamDenial(failure) }),
  };
}

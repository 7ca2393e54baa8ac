import { collect } from './collect.ts';
import type { Admitted } from './reached.ts';
import type { Answer, Relay, RelayEnd } from './relay.ts';
import { failedEnding, upstreamDenial } from './relay.ts';
import { statusDenial } from './status-denial.ts';

/** As much of a body as is waited for and looked at. */
const bodyBytesMax = 4096;

/**
 * For what has no answer but "taken": notifications, client responses, the end of a session. The status says it all; a body
 * is read and dropped, and one that does not end is not waited for.
 */
export function relayAcknowledgement(admitted: Admitted, { status, control }: Answer): Relay {
  const { reply, verb, policy } = admitted;
  const body = collect({ bytesMax: bodyBytesMax, msMax: policy.limits.upstreamTimeoutMs, abort: () => control.abort() });
  const conclude = (): RelayEnd => {
    const read = body.bytes();
    if (status < 200 || status > 299) return { status, ending: 'error', refusal: statusDenial(admitted, { status, body: read }) };
    if (reply.closed) return { status: 'client-gone', ending: 'lost' };
    // Transports: 202 for accepted notifications and responses; DELETE answers as the upstream did.
    reply.head(verb === 'DELETE' ? status : 202, status === 204 && verb === 'DELETE' ? {} : { 'content-length': '0' });
    reply.end();
    return { status, ending: 'answered' };
  };
  return {
    streaming: false,
    chunk(chunk) {
      body.add(chunk);
      return true;
    },
    end: conclude,
    fail(failure) {
      if (body.tooLarge || body.late) return conclude();
      body.bytes();
      if (reply.closed) return { status: 'client-gone', ending: 'lost' };
      return { status: failure.kind, ending: failedEnding(failure), refusal: upstreamDenial(failure) };
    },
  };
}

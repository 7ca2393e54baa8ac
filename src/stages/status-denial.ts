import { Denial } from '../domain/denial.ts';
import type { Admitted } from './reached.ts';

/**
 * What an upstream's HTTP error means to the client. Its 401 and 403 are about the gateway's own credential, so they are
 * never passed on: the client would try to authenticate anew.
 */
export function statusDenial(admitted: Admitted, { status, body }: { status: number; body: Buffer }): Denial {
  const facts = { upstreamStatus: status };
  if (isSessionLost(admitted, { status, body })) return new Denial('SESSION_NOT_FOUND', { facts });
  if (admitted.verb !== 'POST' && status === 405) return new Denial('METHOD_NOT_ALLOWED', { facts });
  if (admitted.verb === 'GET' && status === 409) return new Denial('STREAM_CONFLICT', { facts });
  return new Denial('UPSTREAM_FAILED', { facts: { ...facts, outcome: 'unknown' } });
}

/**
 * An ended session is 404 to the client, whatever the upstream says (transports, session management). Some servers say 400
 * with an error that has no id and is thus no message; only its text tells.
 */
function isSessionLost({ session }: Admitted, { status, body }: { status: number; body: Buffer }): boolean {
  if (session === undefined) return false;
  return status === 404 || (status === 400 && /session/i.test(body.toString('latin1', 0, 1024)));
}

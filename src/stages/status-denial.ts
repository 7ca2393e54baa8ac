import { Denial } from '../domain/denial.ts';
import type { Admitted } from './reached.ts';

interface UpstreamError {
  readonly status: number;
  readonly body: Buffer;
  /** True where the body is an error with the request's own id: then it is about the request, whatever words it uses. */
  readonly own?: boolean;
}

/**
 * What an upstream's HTTP error means to the client. Its 401 and 403 are about the gateway's own credential, so they are
 * never passed on: the client would try to authenticate anew.
 */
export function statusDenial(admitted: Admitted, answer: UpstreamError): Denial {
  const { status } = answer;
  const facts = { upstreamStatus: status };
  if (isSessionLost(admitted, answer)) return new Denial('SESSION_NOT_FOUND', { facts });
  if (admitted.verb !== 'POST' && status === 405) return new Denial('METHOD_NOT_ALLOWED', { facts });
  if (admitted.verb === 'GET' && status === 409) return new Denial('STREAM_CONFLICT', { facts });
  return new Denial('UPSTREAM_FAILED', { facts: { ...facts, outcome: 'unknown' } });
}

/**
 * An ended session is 404 to the client, whatever the upstream says (transports, session management). Some servers say 400
 * with an error that has no id and is thus no message; only its text tells.
 */
function isSessionLost({ session }: Admitted, { status, body, own = false }: UpstreamError): boolean {
  if (session === undefined) return false;
  return status === 404 || (status === 400 && !own && /session/i.test(body.toString('latin1', 0, 1024)));
}

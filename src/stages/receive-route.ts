import { Denial } from '../domain/denial.ts';
import { redact } from '../domain/redact.ts';
import { refuseAmbiguousHeaders } from './http-form.ts';
import { refuseForeignOrigin } from './receive.ts';
import type { RouteArrived, RouteReceived } from './route-reached.ts';

const path = /^\/passthrough\/([a-z0-9][a-z0-9_-]{0,62})(\/.*)$/;
const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const methodOverride = /^(?:_method|x-(?:http-)?method(?:-override)?)$/i;
const withBody: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** Judges the HTTP form of a request for a pass-through route, and reads its body within the same bound as a message's. */
export async function receiveRoute(arrived: RouteArrived): Promise<RouteReceived> {
  if (arrived.draining) throw new Denial('DRAINING');
  if (arrived.place?.refusal) throw arrived.place.refusal;
  refuseAmbiguousHeaders(arrived);
  refuseForeignOrigin(arrived);
  if (!methods.includes(arrived.verb)) throw new Denial('METHOD_NOT_ALLOWED', { facts: { allow: methods } });
  refuseQuery(arrived.query);
  const [, upstream = '', rest = ''] = path.exec(arrived.path) ?? [];
  return { ...arrived, target: { upstream, path: rest }, body: await readBody(arrived) };
}

/** The query goes on as it is, and stands in whatever the upstream logs: a key has no place in it (RFC 6750, section 2.3). */
function refuseQuery(query: string): void {
  if (/[^!-~]/.test(query)) throw new Denial('INVALID_MESSAGE', { detail: 'The query holds characters that must be encoded.' });
  const parameters = [...new URLSearchParams(query)];
  const holdsCredential = (text: string): boolean => redact(text) !== text;
  // As it was sent, and as the server will read it.
  if (holdsCredential(query) || parameters.flat().some(holdsCredential)) {
    throw new Denial('INVALID_MESSAGE', { detail: 'A credential has no place in a query.' });
  }
  // Some servers take the method from there, and then it was another method that was judged (A13).
  if (parameters.some(([name]) => methodOverride.test(name))) {
    throw new Denial('INVALID_MESSAGE', { detail: 'A query cannot change the method: send the request with the method that is meant.' });
  }
}

async function readBody({ verb, headers, policy, readBody: read }: RouteArrived): Promise<Buffer> {
  const announced = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  if (!announced) return Buffer.alloc(0);
  if (!withBody.includes(verb)) throw new Denial('INVALID_MESSAGE', { detail: `A ${verb} carries no body.` });
  return read(policy.limits.bodyBytesMax);
}

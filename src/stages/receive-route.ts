import { Denial } from '../domain/denial.ts';
import { redact } from '../domain/redact.ts';
import { refuseAmbiguousHeaders } from './http-form.ts';
import { refuseForeignOrigin } from './receive.ts';
import type { RouteArrived, RouteReceived } from './route-reached.ts';

const path = /^\/passthrough\/([a-z0-9][a-z0-9_-]{0,62})(\/.*)$/;
const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
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
  if (redact(query) !== query) throw new Denial('INVALID_MESSAGE', { detail: 'A credential has no place in a query.' });
}

async function readBody({ verb, headers, policy, readBody: read }: RouteArrived): Promise<Buffer> {
  const announced = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  if (!announced) return Buffer.alloc(0);
  if (!withBody.includes(verb)) throw new Denial('INVALID_MESSAGE', { detail: `A ${verb} carries no body.` });
  return read(policy.limits.bodyBytesMax);
}

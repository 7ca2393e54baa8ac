import { Denial } from '../domain/denial.ts';
import { scan } from '../domain/scan.ts';
import { isLoopbackHost, refuseAmbiguousHeaders } from './http-form.ts';
import type { Arrived, Received, Verb } from './reached.ts';

/**
 * Judges the HTTP form and reads the body. The body is scanned here, once, so that every later refusal can name
 * the request's own id; whether it is a message at all is judged only after the caller is known.
 */
export function receive(arrived: Arrived | Received): Received | Promise<Received> {
  // An edge that divides what came has received it already: its bytes are scanned, its form is judged.
  return 'scanned' in arrived ? arrived : receiveNew(arrived);
}

async function receiveNew(arrived: Arrived): Promise<Received> {
  if (arrived.draining) throw new Denial('DRAINING');
  if (arrived.place?.refusal) throw arrived.place.refusal;
  refuseAmbiguousHeaders(arrived);
  refuseForeignOrigin(arrived);
  const verb = readVerb(arrived);
  if (verb === 'POST') {
    refuseOtherForms(arrived);
    const { bodyBytesMax, jsonDepthMax, jsonNodesMax } = arrived.policy.limits;
    const body = await arrived.readBody(bodyBytesMax);
    return { ...arrived, verb, scanned: scan(body, { depthMax: jsonDepthMax, nodesMax: jsonNodesMax }) };
  }
  refuseBody(arrived);
  if (verb === 'GET' && !accepts(arrived.headers.accept, 'text/event-stream')) {
    throw new Denial('NOT_ACCEPTABLE', { detail: 'A stream needs "Accept: text/event-stream".' });
  }
  return { ...arrived, verb, scanned: undefined };
}

function readVerb({ verb }: Arrived): Verb {
  if (verb === 'POST' || verb === 'GET' || verb === 'DELETE') return verb;
  throw new Denial('METHOD_NOT_ALLOWED', { facts: { allow: ['POST', 'GET', 'DELETE'] } });
}

/** MCP 2025-11-25, transports, security: Origin is validated against DNS rebinding, and so is Host. */
export function refuseForeignOrigin({ headers, policy }: Arrived): void {
  const host = headers.host?.toLowerCase();
  if (host === undefined || !(isLoopbackHost(host) || policy.hosts.has(host))) {
    throw new Denial('ORIGIN_NOT_ALLOWED', { detail: 'The Host header names neither the public URL nor a loopback name.' });
  }
  const { origin } = headers;
  if (origin !== undefined && !policy.origins.has(origin)) {
    throw new Denial('ORIGIN_NOT_ALLOWED', { detail: 'This browser origin is not in listen.origins.' });
  }
}

function refuseBody({ headers }: Arrived): void {
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    throw new Denial('INVALID_MESSAGE', { detail: 'Only POST carries a body.' });
  }
}

/** A message is JSON, and whoever sends one takes its answer in either form. */
function refuseOtherForms({ headers }: Arrived): void {
  if (!isJson(headers['content-type']) || (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new Denial('UNSUPPORTED_MEDIA_TYPE');
  }
  // Transports, sending messages: the client must accept both, since the server chooses.
  const { accept } = headers;
  // What nearly every client says, word for word.
  const both =
    accept === 'application/json, text/event-stream' || (accepts(accept, 'application/json') && accepts(accept, 'text/event-stream'));
  if (!both) throw new Denial('NOT_ACCEPTABLE');
}

function isJson(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true;
  return contentType !== undefined && /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(contentType);
}

/** RFC 9110, section 12.5.1, as far as MCP needs it: media ranges, with q=0 taken as a refusal. */
function accepts(header: string | undefined, type: string): boolean {
  const [family] = type.split('/');
  return (header ?? '').split(',').some((range) => {
    const [name, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    if (parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))) return false;
    return name === type || name === '*/*' || name === `${family}/*`;
  });
}

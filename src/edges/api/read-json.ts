import type { IncomingHttpHeaders } from 'node:http';
import { Denial } from '../../domain/denial.ts';
import { JsonStop } from '../../domain/json-tokens.ts';
import { JsonWalk } from '../../domain/json-walk.ts';
import type { Limits } from '../../domain/policy.ts';
import { ApiRefusal } from './problem.ts';

/** A body as it came and as it reads. `text` is what an Idempotency-Key is compared by. */
export interface JsonBody {
  readonly text: Buffer;
  readonly value: unknown;
}

interface BodySource {
  readonly headers: IncomingHttpHeaders;
  readonly readBody: (bytesMax: number) => Promise<Buffer>;
}

/**
 * Reads the body of a request that may have one. The content type is asked for even where the body is empty: a form of another site can post
 * without a preflight only with types that are not JSON (A16).
 * @throws Denial UNSUPPORTED_MEDIA_TYPE, MESSAGE_TOO_LARGE, PARSE_ERROR; ApiRefusal INVALID_JSON for a name that stands twice or a limit passed
 */
export async function readJson(source: BodySource, options: { limits: Limits; optional: boolean }): Promise<JsonBody> {
  const { headers, readBody } = source;
  const { limits, optional } = options;
  const empty = headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
  if (empty && optional && headers['content-type'] === undefined) return { text: Buffer.alloc(0), value: {} };
  if (!isJson(headers['content-type']) || (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new Denial('UNSUPPORTED_MEDIA_TYPE');
  }
  const text = await readBody(limits.bodyBytesMax);
  if (text.length === 0 && optional) return { text, value: {} };
  return { text, value: parse(text, limits) };
}

/** A request that takes no body is refused one: it could only mean something else to whoever sent it. */
export function refuseBody(headers: IncomingHttpHeaders): void {
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    throw new ApiRefusal(400, 'INVALID_REQUEST', 'This operation takes no body.');
  }
}

function parse(text: Buffer, { jsonDepthMax, jsonNodesMax }: Limits): unknown {
  try {
    const walk = new JsonWalk({ bytes: text, limits: { depthMax: jsonDepthMax, nodesMax: jsonNodesMax } });
    walk.value();
    walk.finish();
    if (walk.offence !== undefined) throw new ApiRefusal(400, 'INVALID_JSON', walk.offence);
  } catch (stop) {
    if (!(stop instanceof JsonStop)) throw stop;
    throw stop.reason === 'PARSE_ERROR'
      ? new Denial('PARSE_ERROR', { detail: stop.message })
      : new ApiRefusal(400, 'INVALID_JSON', stop.message);
  }
  return JSON.parse(text.toString('utf8'));
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(contentType);
}

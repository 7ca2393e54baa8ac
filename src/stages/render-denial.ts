import { type Denial, denialTable } from '../domain/denial.ts';
import type { MessageId } from '../domain/message.ts';
import { methodOf } from './call-facts.ts';
import type { Arrived } from './reached.ts';
import type { AnyReached } from './route-reached.ts';

export interface Rendered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A refusal as the client's era and the upstream's `denials` setting want it. Always a JSON-RPC body with the request's own id. */
export function renderDenial(denial: Denial, reached: AnyReached): Rendered {
  const error = denialError(denial, reached);
  const status = statusOf(denial, reached);
  const headers: Record<string, string> = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  if (status === 401 || status === 403) headers['www-authenticate'] = challenge(denial, reached);
  if (status === 405) headers.allow = (denial.facts.allow as readonly string[] | undefined)?.join(', ') ?? 'POST, GET, DELETE';
  if (status === 429 || status === 503) headers['retry-after'] = String(Math.max(1, Math.ceil((denial.facts.retryAfterMs ?? 1000) / 1000)));
  const id = requestIdOf(reached);
  const body = asToolError(denial, reached) ? { jsonrpc: '2.0', id, result: toolError(error) } : { jsonrpc: '2.0', id, error };
  return { status, headers, body: JSON.stringify(body) };
}

/** The JSON-RPC error object alone: also what ends a stream that was already open. */
export function denialError(denial: Denial, reached: Arrived): { code: number; message: string; data: Record<string, unknown> } {
  return {
    code: denialTable[denial.reason].code,
    message: denial.message,
    data: { reason: denial.reason, requestId: reached.requestId, ...denial.facts },
  };
}

function toolError(error: ReturnType<typeof denialError>): object {
  return { isError: true, content: [{ type: 'text', text: error.message }], _meta: { 'keygate/denial': error.data } };
}

function statusOf(denial: Denial, reached: AnyReached): number {
  const form = denialTable[denial.reason];
  if (form.asCallAnswer) return modeOf(reached) === 'http' ? (form.httpModeStatus ?? form.status) : form.status;
  // A v2 client reads 404 and 429 on server/discover as "old server" and falls back (mcp-facts), so it never sees them.
  if (methodOf(reached) !== 'server/discover') return form.status;
  if (form.status === 404) return 403;
  return form.status === 429 ? 503 : form.status;
}

function asToolError(denial: Denial, reached: AnyReached): boolean {
  return denialTable[denial.reason].asCallAnswer === true && modeOf(reached) === 'tool-error' && methodOf(reached) === 'tools/call';
}

function modeOf(reached: AnyReached): string {
  // Whoever asks a pass-through route reads no JSON-RPC, and would take a 200 for the answer.
  if ('query' in reached) return 'http';
  return 'upstream' in reached ? reached.upstream.denials : 'jsonrpc';
}

/** The request's own id, or null where none could be read (JSON-RPC 2.0, section 5). */
export function requestIdOf(reached: AnyReached): MessageId | null {
  const scanned = 'scanned' in reached ? reached.scanned : undefined;
  if (!scanned) return null;
  if (!scanned.ok) return scanned.id;
  return scanned.message.kind === 'request' ? scanned.message.id : null;
}

/** RFC 6750, section 3, and RFC 9728, section 5.1. A request without any credential gets no error code. */
function challenge(denial: Denial, reached: AnyReached): string {
  const parts = ['Bearer realm="keygate"'];
  if (denial.reason.startsWith('TOKEN_') && denial.reason !== 'TOKEN_MISSING') parts.push('error="invalid_token"');
  if (denial.reason === 'WRONG_ENDPOINT') parts.push('error="invalid_token"');
  if (denial.reason === 'INSUFFICIENT_SCOPE') parts.push('error="insufficient_scope"', `scope="${(denial.facts.scope ?? []).join(' ')}"`);
  const path = /^\/mcp(?:\/[a-z0-9_-]{1,63})?$/.test(reached.path) ? reached.path : '/mcp';
  parts.push(`resource_metadata="${reached.policy.publicUrl}/.well-known/oauth-protected-resource${path}"`);
  return parts.join(', ');
}

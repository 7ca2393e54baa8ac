import type { Seal } from '../domain/seal.ts';
import { boundTo } from './bound-to.ts';
import type { Admitted } from './reached.ts';

/** The upstream's session id, sealed to this key, path and upstream: any replica can open it, nobody else can use it. */
export function sealedSession(
  seal: Seal,
  admitted: Pick<Admitted, 'caller' | 'endpoint' | 'upstream'>,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const plain = headers['mcp-session-id'];
  if (typeof plain !== 'string') return {};
  return { 'mcp-session-id': seal.seal({ purpose: 'session', bound: boundTo(admitted), plain }) };
}

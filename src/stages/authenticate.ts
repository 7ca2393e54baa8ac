import { Denial } from '../domain/denial.ts';
import { lineDeath } from '../domain/line-death.ts';
import type { Caller } from '../ports/callers.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Received } from './reached.ts';

/** What of a request tells who sent it: the management API asks the same question of requests that are no messages. */
type Asking = Pick<Received, 'headers' | 'address' | 'at' | 'policy'>;

/** Who is calling? Every request carries its key or an access token (RFC 6750, section 2.1, and nothing else of that RFC's ways). */
export async function authenticate<Request extends Asking>(
  ports: Pick<Ports, 'callers' | 'throttle'>,
  received: Request,
): Promise<Request & { readonly caller: Caller }> {
  const { authorization } = received.headers;
  if (authorization === undefined || authorization === '') throw new Denial('TOKEN_MISSING');
  const text = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (text === undefined) throw new Denial('TOKEN_INVALID', { detail: 'The Authorization header is not "Bearer <key>".' });
  // No key has a dot, and every JWT in compact form has two (RFC 7515, section 7.1).
  const isAccessToken = text.split('.', 4).length === 3;
  let caller: Caller | undefined;
  try {
    const asked = isAccessToken ? ports.callers.byAccessToken(text) : ports.callers.byKey(text);
    caller = asked instanceof Promise ? await asked : asked;
  } catch (cause) {
    // A store that cannot be read says nothing about the caller (I6).
    throw cause instanceof Denial ? cause : new Denial('STORE_UNAVAILABLE', { cause });
  }
  if (!caller) throw await unknownKey(ports, received);
  refuseDead(caller, received.at);
  return { ...received, caller };
}

/** A key is as dead as the deadest of its ancestors (I7), and so is its access token. Judged on every use, also of a cached record (I3). */
export function refuseDead(caller: Caller, now: number): void {
  if (caller.accessToken && now >= caller.accessToken.expiresAt) {
    throw new Denial('TOKEN_EXPIRED', { facts: { keyId: caller.key.id } });
  }
  const reason = lineDeath([caller.key, ...caller.ancestors], now);
  if (reason) throw new Denial(reason, { facts: { keyId: caller.key.id } });
}

/** Guessing is hopeless at 256 bits, but it is noise: an address that keeps failing is told to slow down. Good keys are never held up by it. */
async function unknownKey(ports: Pick<Ports, 'throttle'>, { address, policy }: Asking): Promise<Denial> {
  const counted = ports.throttle.take({ key: `failed:${address}`, calls: policy.limits.failedAuthPerMinuteMax, perSeconds: 60 });
  const taken = await failClosed(counted);
  return taken.allowed ? new Denial('TOKEN_INVALID') : new Denial('RATE_LIMITED', { facts: { retryAfterMs: taken.retryAfterMs } });
}

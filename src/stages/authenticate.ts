import { Denial } from '../domain/denial.ts';
import { deadReason } from '../domain/key.ts';
import type { Caller } from '../ports/callers.ts';
import type { Ports } from './ports.ts';
import type { Authenticated, Received } from './reached.ts';

/** Who is calling? Every request carries its key (RFC 6750, section 2.1, and nothing else of that RFC's ways). */
export async function authenticate(ports: Pick<Ports, 'callers' | 'throttle'>, received: Received): Promise<Authenticated> {
  const { authorization } = received.headers;
  if (authorization === undefined || authorization === '') throw new Denial('TOKEN_MISSING');
  const text = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (text === undefined) throw new Denial('TOKEN_INVALID', { detail: 'The Authorization header is not "Bearer <key>".' });
  const caller = ports.callers.byKey(text);
  if (!caller) throw await unknownKey(ports, received);
  refuseDead(caller, received.at);
  return { ...received, caller };
}

/** A key is as dead as the deadest of its ancestors (I7). Judged on every use, also of a cached record (I3). */
function refuseDead(caller: Caller, now: number): void {
  for (const key of [caller.key, ...caller.ancestors]) {
    const reason = deadReason(key, now);
    if (reason) throw new Denial(reason, { facts: { keyId: caller.key.id } });
  }
}

/** Guessing is hopeless at 256 bits, but it is noise: an address that keeps failing is told to slow down. Good keys are never held up by it. */
async function unknownKey(ports: Pick<Ports, 'throttle'>, { address, policy }: Received): Promise<Denial> {
  const taken = await ports.throttle.take({ key: `failed:${address}`, calls: policy.limits.failedAuthPerMinuteMax, perSeconds: 60 });
  return taken.allowed ? new Denial('TOKEN_INVALID') : new Denial('RATE_LIMITED', { facts: { retryAfterMs: taken.retryAfterMs } });
}

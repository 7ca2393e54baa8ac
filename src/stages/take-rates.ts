import { Denial } from '../domain/denial.ts';
import type { KeyRecord, Rate } from '../domain/key.ts';
import type { Take } from '../ports/throttle.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Authenticated } from './reached.ts';

/**
 * Takes one request from the rate of the key and of each ancestor, since a child shares its ancestors' rates. Whatever the answer becomes, it
 * says how much of the tightest rate is left.
 * @param ruleRevision stands beside the limit's name in the refusal, where the request is for an upstream
 * @returns undefined where no key has a rate, as most have none: then there is nothing to wait for
 * @throws Denial RATE_LIMITED, by rejecting
 */
export function takeRates(
  ports: Pick<Ports, 'throttle'>,
  { caller, reply, ruleRevision }: Pick<Authenticated, 'caller' | 'reply'> & { ruleRevision?: string },
): Promise<void> | undefined {
  const keys = [caller.key, ...caller.ancestors].filter(({ rate }) => rate);
  return keys.length === 0 ? undefined : takeEach(ports, { keys, reply, ruleRevision });
}

async function takeEach(
  ports: Pick<Ports, 'throttle'>,
  { keys, reply, ruleRevision }: Pick<Authenticated, 'reply'> & { keys: readonly KeyRecord[]; ruleRevision: string | undefined },
): Promise<void> {
  let tightest: (Take & Rate) | undefined;
  for (const key of keys) {
    if (!key.rate) continue;
    const taken = await failClosed(ports.throttle.take({ key: key.id, ...key.rate }));
    if (!tightest || !taken.allowed || taken.remaining < tightest.remaining) tightest = { ...taken, ...key.rate };
    if (taken.allowed) continue;
    reply.carry(rateHeaders(tightest));
    throw new Denial('RATE_LIMITED', {
      facts: {
        rule: `key:${key.id} rate`,
        ruleRevision,
        limit: `${key.rate.calls}/${key.rate.perSeconds}s`,
        retryAfterMs: taken.retryAfterMs,
      },
    });
  }
  if (tightest) reply.carry(rateHeaders(tightest));
}

/** RateLimit header fields for HTTP (draft-ietf-httpapi-ratelimit-headers): quota and window in the policy, what is left and until when beside it. */
function rateHeaders({ calls, perSeconds, remaining, resetMs }: Take & Rate): Record<string, string> {
  return {
    'ratelimit-policy': `"burst";q=${calls};w=${perSeconds}`,
    ratelimit: `"burst";r=${Math.max(0, remaining)};t=${Math.ceil(resetMs / 1000)}`,
  };
}

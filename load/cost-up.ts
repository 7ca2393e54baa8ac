import type { Place, Served } from '../test/process/served.ts';
import type { Bench } from './cost-terms.ts';

/** A gateway on the embedded store in front of the stub, and one key with a budget that is never spent. */
export interface Up {
  readonly place: Place;
  readonly served: Served;
  readonly key: string;
  readonly keyId: string;
}

/** @param options.upstreams in place of `up`, which answers every tool without a price; @param options.settings more of the configuration */
export async function openUp(
  { stand }: Bench,
  options: { path: string; upstreams?: Record<string, unknown>; settings?: Record<string, unknown> },
): Promise<Up> {
  const up = { url: stand.at(options.path), environment: 'live', tools: [{ match: '*', scope: 'read:up' }] };
  const place = await stand.preparePlace({ ...options.settings, upstreams: options.upstreams ?? { up } });
  const { key, id } = await place.mint({ scopes: ['read:up'], budgets: [{ amount: '1000000', per: 'total' }] });
  return { place, served: await stand.serve(place), key, keyId: id };
}

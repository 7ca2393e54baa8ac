import type { KeyRecord } from '../domain/key.ts';
import type { Actor, KeyFilter } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { NotFound, RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

/** One page of a list, as the API writes it. */
export interface Page<Row> {
  readonly data: readonly Row[];
  readonly nextCursor: string | null;
}

export interface PageRequest {
  readonly filter: KeyFilter;
  /** Rows on the page, 1 to 500; 50 where not given. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export const pageRowsMax = 500;

/** What confines whoever asks: the keys of one organisation, or nothing. */
export type Confined = Pick<Actor, 'orgId'>;

/** One page of keys, dead ones included. @throws RequestProblems where limit or cursor make no sense */
export async function listKeys(authority: Authority, request: PageRequest, by: Confined = {}): Promise<Page<KeyView>> {
  const page = await keyPage(authority, request, by);
  const now = authority.clock.now();
  return { data: page.data.map((key) => viewKey(key, now)), nextCursor: page.nextCursor };
}

/** One page of records, for acts that need more than the view. */
export async function keyPage(authority: Authority, request: PageRequest, by: Confined = {}): Promise<Page<KeyRecord>> {
  const { limit = 50, cursor } = request;
  if (!Number.isInteger(limit) || limit < 1 || limit > pageRowsMax) {
    throw new RequestProblems([{ path: 'limit', message: `must be a whole number from 1 to ${pageRowsMax}` }]);
  }
  if (cursor !== undefined && !/^[0-9A-Za-z]{1,64}$/.test(cursor)) {
    throw new RequestProblems([{ path: 'cursor', message: 'is not one that a list has given' }]);
  }
  const filter = confinedFilter(request.filter, by);
  if (filter === undefined) return { data: [], nextCursor: null };
  const { keys, nextCursor } = await authority.keyring.list({ filter, limit, ...(cursor === undefined ? {} : { cursor }) });
  return { data: keys, nextCursor: nextCursor ?? null };
}

/** Every key that the filter admits, page by page. */
export async function* everyKey(authority: Pick<Authority, 'keyring'>, filter: KeyFilter): AsyncGenerator<KeyRecord> {
  let cursor: string | undefined;
  do {
    const page = await authority.keyring.list({ filter, limit: pageRowsMax, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.keys;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

/** The filter within what its asker may see; undefined where that leaves nothing. */
export function confinedFilter(filter: KeyFilter, { orgId }: Confined): KeyFilter | undefined {
  if (orgId === undefined) return filter;
  return filter.orgId === undefined || filter.orgId === orgId ? { ...filter, orgId } : undefined;
}

/**
 * The record with this id. @throws NotFound, also where whoever asks is confined to another organisation; its text never repeats the id,
 * since people paste whole keys by mistake (I5)
 */
export async function findKey(authority: Authority, id: string, by: Confined = {}): Promise<KeyRecord> {
  const key = /^[0-9A-Za-z]{8}$/.test(id) ? await authority.keyring.get(id) : undefined;
  if (key === undefined || (by.orgId !== undefined && key.orgId !== by.orgId))
    throw new NotFound('There is no key with this id. A key id is the eight letters and digits after kg_live_ or kg_test_.');
  return key;
}

import type { Act } from '../../authority/confine.ts';
import { findKey } from '../../authority/list.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { ApiDeps } from './deps.ts';
import type { Asked } from './operation.ts';
import { permitTarget } from './permit.ts';

/** The key that the path names, where the caller may do this to it. @throws NotFound, Denial */
export async function findTarget(
  { authority }: Pick<ApiDeps, 'authority'>,
  asked: Pick<Asked<unknown, unknown>, 'id' | 'by' | 'caller'>,
  act: Act,
): Promise<KeyRecord> {
  const target = await findKey(authority, asked.id, asked.by);
  permitTarget(asked.caller, act, target);
  return target;
}

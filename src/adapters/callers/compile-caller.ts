import type { KeyRecord } from '../../domain/key.ts';
import { compileScopes, covers, type ScopeOrder, type ScopeSet } from '../../domain/scope.ts';
import type { Caller } from '../../ports/callers.ts';
import { addressTest, toolTest } from './line-tests.ts';
import { trim } from './trim.ts';

/** Keys with the same scopes share one compiled set: ten thousand keys with sets of their own cost tail latency (measured). */
export function createScopeSets(order: ScopeOrder, max: number): (scopes: readonly string[]) => ScopeSet {
  const sets = new Map<string, ScopeSet>();
  return (scopes) => {
    const text = scopes.join(' ');
    const known = sets.get(text);
    if (known) return known;
    const set = compileScopes(scopes, order);
    sets.set(text, set);
    // Narrowed scopes of access tokens are chosen by callers.
    trim(sets, max);
    return set;
  };
}

/** A key with all its ancestors, as the stages judge it. */
export function compileCaller(key: KeyRecord, ancestors: readonly KeyRecord[], compiled: (scopes: readonly string[]) => ScopeSet): Caller {
  const line = [key, ...ancestors];
  const sets = [...new Set(line.map((each) => compiled(each.scopes)))];
  const grants = (scope: string) => sets.every((set) => covers(set, scope));
  return { key, ancestors, scopes: compiled(key.scopes), grants, admitsAddress: addressTest(line), admitsTool: toolTest(line) };
}

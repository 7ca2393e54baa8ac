import type { Budget, Cap } from '../../domain/key.ts';
import type { KnownAccount } from './plan.ts';

/** How many accounts' limits a process remembers. */
const accountsMax = 10_000;
/** Each change of an account in the middle of a call costs one more. */
const triesMax = 3;

/**
 * Limits of accounts as this process saw them last. They need not be new: the script that relies on them says where another revision stands, and
 * is asked again.
 */
export interface KnownAccounts {
  /**
   * Asks with what is known of the account, and again with what the answer says of it.
   * @param ask  resolves to the script's answer
   * @throws Error where the limits change faster than they can be asked for
   */
  with(id: string | undefined, ask: (account: KnownAccount | undefined) => Promise<string>): Promise<string>;
}

export function createKnownAccounts(): KnownAccounts {
  const known = new Map<string, KnownAccount>();
  return {
    with: async (id, ask) => {
      if (id === undefined) return ask(undefined);
      for (let tries = 0; tries < triesMax; tries += 1) {
        const answer = await ask(known.get(id) ?? { id, revision: 0, budgets: [], caps: [] });
        if (!answer.startsWith('account ')) return answer;
        known.delete(id);
        for (const oldest of known.keys()) {
          if (known.size < accountsMax) break;
          known.delete(oldest);
        }
        known.set(id, parseKnown(id, answer));
      }
      throw new Error(`The limits of account ${id} change too often to admit a call. Try again.`);
    },
  };
}

/** `account <revision> <JSON limits>`, without limits where there is no such account. */
function parseKnown(id: string, answer: string): KnownAccount {
  const [, revision = '0', ...rest] = answer.split(' ');
  const limits = rest.join(' ');
  return { id, revision: Number(revision), ...(limits === '' ? { budgets: [], caps: [] } : parseLimits(limits)) };
}

/** The limits of an account as they are stored. */
export function parseLimits(text: string): { budgets: readonly Budget[]; caps: readonly Cap[] } {
  return JSON.parse(text);
}

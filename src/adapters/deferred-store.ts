import { setTimeout as pause } from 'node:timers/promises';
import type { Keyring } from '../ports/keyring.ts';
import type { Log } from '../ports/observe.ts';
import { type Store, StoreUnreachable } from '../ports/store.ts';

/** How long to wait before the store is tried again, in milliseconds: it is to be found within five seconds of coming up. */
const retryMs = 500;

/**
 * A store that need not be there yet: a gateway that starts before its Redis serves 503 until it is, and is then like any other. Until the store
 * is open every promise rejects at once; nothing is queued and nothing is answered from elsewhere (I6).
 * @param options.open  opens the store; tried again for as long as it throws StoreUnreachable
 * @throws whatever else `open` throws the first time: a store that is there and must not be used stops the start
 */
export async function openDeferred(options: { open: () => Promise<Store>; log: Pick<Log, 'note' | 'warn' | 'fault'> }): Promise<Store> {
  const { open, log } = options;
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof StoreUnreachable)) throw error;
    log.warn('the store cannot be reached yet; everything is refused until it can', { reason: error.message });
    return defer({ open, log, reason: error.message });
  }
}

type Listener = Parameters<Keyring['onChange']>[0];

function defer({ open, log, reason }: Parameters<typeof openDeferred>[0] & { reason: string }): Store {
  const closing = new AbortController();
  const listeners: Listener[] = [];
  let trouble = reason;
  let store: Store | undefined;

  const found = (opened: Store): void => {
    store = opened;
    for (const listener of listeners) opened.keyring.onChange(listener);
    // What was not found before may be there.
    for (const listener of listeners) void listener('all').catch((error: unknown) => log.fault('streams could not be judged anew', error));
    log.note('the store can be reached');
  };
  const seek = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await pause(retryMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (closing.signal.aborted) return;
      try {
        const opened = await open();
        if (closing.signal.aborted) return await opened.close();
        return found(opened);
      } catch (error) {
        const now = error instanceof Error ? error.message : String(error);
        // A store that may not be used is not waited for quietly, but an operator may put it right while the gateway runs.
        if (!(error instanceof StoreUnreachable) && now !== trouble) log.fault('the store cannot be used', error);
        trouble = now;
      }
    }
  };
  const sought = seek();
  /** @throws Error where the store is not open yet */
  const there = (): Store => {
    if (store) return store;
    throw new Error(`The store is not open: ${trouble}`);
  };

  return {
    ...deferredPorts(there),
    keyring: {
      byDigest: async (...given) => there().keyring.byDigest(...given),
      get: async (...given) => there().keyring.get(...given),
      list: async (...given) => there().keyring.list(...given),
      epoch: () => store?.keyring.epoch() ?? 0,
      // Nothing was read yet that could be good.
      changedAt: (ids) => store?.keyring.changedAt(ids) ?? Number.POSITIVE_INFINITY,
      onChange: (listener) => {
        listeners.push(listener);
        store?.keyring.onChange(listener);
      },
      acknowledged: async (...given) => there().keyring.acknowledged(...given),
      insert: async (...given) => there().keyring.insert(...given),
      replace: async (...given) => there().keyring.replace(...given),
      remove: async (...given) => there().keyring.remove(...given),
      revoke: async (...given) => there().keyring.revoke(...given),
    },
    trouble: () => (store ? store.trouble() : trouble),
    close: async () => {
      closing.abort();
      await sought;
      await store?.close();
    },
  };
}

/** The ports whose every member is a promise. */
function deferredPorts(there: () => Store): Omit<Store, 'keyring' | 'trouble' | 'close'> {
  return {
    ledger: {
      admit: async (...given) => there().ledger.admit(...given),
      preview: async (...given) => there().ledger.preview(...given),
      settle: async (...given) => there().ledger.settle(...given),
      renew: async (...given) => there().ledger.renew(...given),
      record: async (...given) => there().ledger.record(...given),
      useOnce: async (...given) => there().ledger.useOnce(...given),
      remembers: async (...given) => there().ledger.remembers(...given),
      sweep: async (...given) => there().ledger.sweep(...given),
      createAccount: async (...given) => there().ledger.createAccount(...given),
      account: async (...given) => there().ledger.account(...given),
      limitAccount: async (...given) => there().ledger.limitAccount(...given),
      credit: async (...given) => there().ledger.credit(...given),
      adjust: async (...given) => there().ledger.adjust(...given),
      usage: async (...given) => there().ledger.usage(...given),
    },
    journal: {
      read: async (...given) => there().journal.read(...given),
      head: async () => there().journal.head(),
      checkpoints: async () => there().journal.checkpoints(),
      faults: async () => there().journal.faults(),
      checkpoint: async (...given) => there().journal.checkpoint(...given),
      keepUp: async (...given) => there().journal.keepUp(...given),
      prune: async (...given) => there().journal.prune(...given),
    },
    factors: {
      get: async (...given) => there().factors.get(...given),
      put: async (...given) => there().factors.put(...given),
    },
    replays: {
      begin: async (...given) => there().replays.begin(...given),
      finish: async (...given) => there().replays.finish(...given),
      forget: async (...given) => there().replays.forget(...given),
    },
    duties: {
      hold: async (...given) => there().duties.hold(...given),
      release: async (...given) => there().duties.release(...given),
      progress: async (...given) => there().duties.progress(...given),
      advance: async (...given) => there().duties.advance(...given),
    },
    throttle: { take: async (...given) => there().throttle?.take(...given) ?? refuseCount() },
    dump: async function* (...given) {
      yield* there().dump(...given);
    },
    restore: async (...given) => there().restore(...given),
    claimGateway: async () => there().claimGateway(),
    fingerprint: async (...given) => there().fingerprint(...given),
  };
}

function refuseCount(): never {
  throw new Error('The store that was opened late counts no rates.');
}

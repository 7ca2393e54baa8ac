import type { Clock } from '../../ports/clock.ts';
import type { Keyring } from '../../ports/keyring.ts';
import type { Connection } from './connection.ts';
import { createActing } from './feed-acting.ts';
import type { FeedEntry } from './feed-entry.ts';
import { type Follower, followFeed } from './feed-follow.ts';
import { type Begun, createFeedWriter } from './feed-writer.ts';
import { createKeyChanges } from './key-changes.ts';
import { createReplicas } from './replicas.ts';

/** What this process hears and tells of key changes. */
export interface Feed extends Pick<Keyring, 'epoch' | 'changedAt' | 'onChange' | 'acknowledged'> {
  /** Begins to listen; resolves when all is heard. Until then, and in a process that never listens, every key must be read anew each time. */
  start(): Promise<void>;
  /** Makes this process one of those whose acknowledgement is waited for, and has it listen. */
  join(): Promise<void>;
  /** Announces that a key may change soon. Rejects where it cannot; then the key must not be changed. */
  begin(key: string): Promise<Begun>;
  /** Announces that the change is made, or will not be. Never rejects: the others wait out by time what they are not told. */
  end(begun: Begun): Promise<void>;
  /** Announces a change that nobody was told to wait for: a key that is new, or one that is once more said to be revoked. Never rejects. */
  added(key: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Nothing that was read before is good without asking after this much silence, in ms: a revocation may have been missed. With a round of the live
 * streams (400 ms) it makes up the second in which the streams of a revoked key are cut (I3), also where the feed's connection is half-open.
 */
const silentMsMax = 600;
/** Beyond this, in ms, nothing is judged at all where the store cannot be asked either. */
const deafMsMax = 60_000;

/**
 * The feed of key changes: a stream that every process follows and writes to.
 * @param options.instance  names this process life, to operators too; never used twice
 */
export function createFeed({ connection, clock, instance }: { connection: Connection; clock: Clock; instance: string }): Feed {
  const changes = createKeyChanges();
  const replicas = createReplicas({ connection, name: instance });
  const writer = createFeedWriter({ connection, instance });
  const acting = createActing({ beat: (acted) => replicas.beat(acted) });
  let startedAt: number | undefined;

  const expire = (): void => acting.add(changes.expire(clock.monotonic()));

  const apply = ({ id, kind, key, origin, begun }: FeedEntry): void => {
    if (kind === 'joined') return;
    // What this process writes it knows already; it hears only when the others do.
    const ours = origin === instance;
    if (kind === 'begin') {
      if (!ours) changes.begun(key, id, clock.monotonic());
      return;
    }
    if (!ours && kind === 'done') changes.done(key, begun);
    if (!ours && kind === 'added') changes.changed(key);
    acting.add([key]);
  };

  const follower: Follower = {
    heard(entries) {
      for (const entry of entries) apply(entry);
      expire();
      acting.act();
    },
    missed() {
      changes.flush();
      acting.addAll();
      acting.act();
    },
    beat: () => replicas.beat(acting.acted),
    async reached(entry) {
      acting.act(entry);
      await writer.catchUp();
    },
    join: async () => (await writer.joined()).entry,
  };
  const following = followFeed({ connection, clock, follower });

  const start = async (): Promise<void> => {
    startedAt ??= clock.monotonic();
    await following.start();
  };

  return {
    start,
    async join() {
      await start();
      await replicas.join(acting.acted);
    },
    async begin(key) {
      const begun = await writer.begin(key);
      changes.begun(key, begun.entry, clock.monotonic());
      return begun;
    },
    end(begun) {
      changes.done(begun.key, begun.entry);
      return writer.end(begun);
    },
    added(key) {
      changes.changed(key);
      return writer.added(key);
    },
    onChange: acting.onChange,
    epoch() {
      const now = clock.monotonic();
      const silent = startedAt === undefined ? 0 : now - Math.max(following.heardAt, startedAt);
      const trouble = silent > deafMsMax ? connection.trouble() : undefined;
      if (trouble !== undefined) throw new Error(`Nothing was heard of key changes for ${Math.round(silent / 1000)} seconds: ${trouble}`);
      return changes.epoch;
    },
    changedAt(ids) {
      expire();
      // So written, a clock that gives no number counts as silence.
      return clock.monotonic() - following.heardAt <= silentMsMax ? changes.changedAt(ids) : Number.POSITIVE_INFINITY;
    },
    async acknowledged(withinMs) {
      const target = async () => {
        await writer.catchUp();
        return writer.last;
      };
      return replicas.acknowledged(target, withinMs);
    },
    async close() {
      acting.stop();
      await following.close();
      await replicas.leave().catch(() => undefined);
    },
  };
}

import type { Duties } from '../../ports/duties.ts';
import type { Connection } from './connection.ts';
import { elsewhere } from './layout.ts';
import { loadScript } from './scripts.ts';

/** The duties port on Redis: a lease by the server's clock. @param options.instance  names this process life; never used twice */
export function createDuties({ connection, instance }: { connection: Connection; instance: string }): Duties {
  const scripts = { hold: loadScript('duty-hold'), advance: loadScript('duty-advance') };
  return {
    async hold(name, ms) {
      if (!Number.isSafeInteger(ms) || ms < 1) throw new Error('A duty is held for a whole number of milliseconds, 1 or more.');
      return (await connection.run(scripts.hold, [elsewhere.duty(name)], [instance, String(ms)])) === 1;
    },
    async release(name) {
      await connection.run(scripts.hold, [elsewhere.duty(name)], [instance, '0']);
    },
    async progress(name) {
      return Number((await connection.client.get(elsewhere.progress(name))) ?? '0');
    },
    async advance(name, position) {
      if (!Number.isSafeInteger(position) || position < 0) throw new Error('A duty comes to a whole number, 0 or more.');
      await connection.run(scripts.advance, [elsewhere.progress(name)], [String(position)]);
    },
  };
}

/**
 * A process that calls through a store until it is killed or done: node caller.ts <folder> <serving> <calls> <concurrency> <prefix>.
 * Every line on stdout is an act whose promise has resolved: `admitted <id>`, `settled <id> <charge>`, `refused <id>`, `failed <id>`.
 */
import { writeSync } from 'node:fs';
import { rootOf } from '../../../src/domain/key.ts';
import { admitRequest, micros, outcomeFacts, steppedClock } from '../../ports/subject.ts';
import { openIn } from './open.ts';

const [folder = '', serving, calls, concurrency, prefix = 'r'] = process.argv.slice(2);
// A write beyond the file size limit then fails like one to a full disk.
process.on('SIGXFSZ', () => undefined);
const say = (line: string): unknown => writeSync(1, `${line}\n`);

const clock = steppedClock();
const store = await openIn(folder, { serving: serving === 'serving', instance: `${prefix} ${process.pid}`, clock });
const key = await store.keyring.get('CALLER00');
if (!key) throw new Error('The folder has no key CALLER00.');
say('open');

let next = 0;
async function callOnce(): Promise<void> {
  next += 1;
  const number = next;
  const id = `${prefix}-${number}`;
  try {
    if (!key) return;
    const answer = await store.ledger.admit(admitRequest(key, { reservationId: id, price: micros(3) }));
    say(`${answer.kind === 'admitted' ? 'admitted' : 'refused'} ${id}`);
    // Every fourth call is left running, so that there is always something to be captured.
    if (answer.kind !== 'admitted' || number % 4 === 0) return;
    const charge = number % 3;
    await store.ledger.settle({ root: rootOf(key), reservationId: id, charge: micros(charge), now: clock.now(), outcome: outcomeFacts });
    say(`settled ${id} ${charge}`);
  } catch {
    say(`failed ${id}`);
  }
}

async function callUntilDone(): Promise<void> {
  while (next < Number(calls)) await callOnce();
}

await Promise.all(Array.from({ length: Number(concurrency) }, callUntilDone));
say(`head ${await store.journal.head()}`);
say(`trouble ${store.trouble() ?? 'none'}`);
await store.close();

import type { Story } from './acts.ts';
import { messagesOf } from './client.ts';

import type { Running, World } from './world.ts';

/** Streams of a dead key are cut within this time while the store answers (I3), ms. */
const cutMsMax = 1_000;

/** What has to hold after every step, beside what the model says of each record. */
export function judgeStep(world: World, { revokedAt }: Story): void {
  const { model, running, time, replicas } = world;
  for (const { faults } of replicas) for (const fault of faults.splice(0)) model.fault(fault);
  for (const { kind, keyId, client, requestId, stage } of running) {
    if (kind !== 'stream' || client.state !== 'waiting' || stage !== 'forward') continue;
    const line = model.keys.get(keyId ?? '')?.line ?? [];
    const died = Math.min(...line.map((id) => revokedAt.get(id) ?? Number.POSITIVE_INFINITY));
    if (time.elapsed - died > cutMsMax)
      model.fault(`I3: the stream ${requestId} goes on ${time.elapsed - died} ms after its key was revoked`);
  }
}

/** The ledger says what the journal says (I8). */
export async function judgeSums({ authority, model, clock }: World): Promise<void> {
  for (const { id, account, total } of model.keys.values()) {
    const key = await authority.keyring.get(id);
    if (!key) continue;
    const lines = await authority.ledger.usage({ key, ancestors: [], now: clock.now() });
    const line = lines.find(({ limitName }) => limitName === `key:${id} budget total`);
    if (total !== undefined && line?.spent !== model.spent(id)) {
      model.fault(`I8: ${id} has spent ${line?.spent} by the ledger and ${model.spent(id)} by the journal`);
    }
    const stored = account === undefined ? undefined : await authority.ledger.account(account);
    if (stored && account !== undefined && stored.balance - stored.held !== model.balance(account)) {
      model.fault(`I8: ${account} has ${stored.balance - stored.held} by the ledger and ${model.balance(account)} by the journal`);
    }
  }
}

/** When everything has ended: every hold is settled, every call has its outcome, and every client its own answer. */
export function judgeEnd(world: World, story: Story): void {
  const { model, running, tables } = world;
  for (const { value } of tables.holds.getRange({})) model.fault(`the hold ${value.id} was never settled`);
  for (const one of running) if (!one.troubled) model.fault(`the request ${one.requestId} never ended; it stands at ${one.stage}`);
  for (const [reservation, { outcomes, requestId }] of model.calls) {
    if (outcomes === 0) model.fault(`I8: the call ${reservation} of ${requestId} has no outcome`);
  }
  for (const one of story.all) judgeAnswer(world, one);
  const byRequest = new Map([...model.calls.values()].map((call) => [call.requestId, call]));
  for (const one of story.all) {
    const call = byRequest.get(one.requestId);
    if (!call || one.troubled || one.kind !== 'call') continue;
    const ending = story.endings.get(one.requestId);
    if (call.outcomes !== 1) model.fault(`the call ${one.requestId} has ${call.outcomes} outcomes`);
    if (call.lastStatus === 'hold-expired') model.fault(`the call ${one.requestId} was not settled, although nothing was in its way`);
    if (one.sent === 0 && call.charged !== 0) model.fault(`the call ${one.requestId} was not sent and is charged ${call.charged}`);
    if (ending === 'answers' && call.charged !== call.price)
      model.fault(`the call ${one.requestId} was answered and is charged ${call.charged}`);
    if (ending === undefined && one.sent > 0 && call.lastStatus === 'connect' && call.charged !== 0) {
      model.fault(`the call ${one.requestId} was refused by the upstream and is charged ${call.charged}`);
    }
  }
}

function judgeAnswer({ model }: World, one: Running): void {
  const { client, requestId, id, mark, kind } = one;
  if (client.state !== 'complete' || kind === 'stream') return;
  const answers = messagesOf(client).filter((message) => 'id' in message);
  const [answer] = answers;
  // Whoever could not be read has no id; there is no such request here.
  if (answers.length !== 1 || answer?.['id'] !== id) return void model.fault(`${requestId} asked as ${id} and got ${client.text}`);
  const content = (answer['result'] as { content?: { text?: string }[] } | undefined)?.content;
  if (content && content[0]?.text !== mark) model.fault(`${requestId} got the answer of another: ${client.text}`);
}

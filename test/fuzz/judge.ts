import type { JournalRecord } from '../../src/domain/record.ts';
import { eventually } from '../process/served.ts';
import { readJournal } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import type { RecordedRequest } from '../support/recorded-request.ts';
import { strictMessage } from '../support/strict-message.ts';
import type { Heard } from './fire.ts';
import { cappedCalls, type FuzzStand, readersTools, upstreamSecret } from './stand.ts';

/** Resident memory that no number of cases may reach: a fresh process has about a quarter of it. */
const residentBytesMax = 600 * 1024 * 1024;
/** What the gateway asks of a server for itself: it finds out its era and opens sessions for clients of the other one. */
const ownMethods: ReadonlySet<string> = new Set(['initialize', 'notifications/initialized', 'server/discover', 'tools/list', 'ping']);
/** What needs no intent, but a key proven live. */
const unrecorded = /^(?:ping$|notifications\/)/;

/** What was wrong with one case by itself: what its own connection heard. */
export function judgeHeard({ text, statuses }: Heard): string[] {
  const wrong: string[] = [];
  if (text !== '' && !text.startsWith('HTTP/1.1 ')) wrong.push(`an answer that is no HTTP: ${JSON.stringify(text.slice(0, 80))}`);
  if (statuses.includes(500)) wrong.push('500');
  if (text.includes(upstreamSecret)) wrong.push("the upstream's credential reached a client");
  return wrong;
}

/** Looks at a stand between two batches of cases. */
export function createJudge(stand: FuzzStand): () => Promise<string[]> {
  const { gate, place, upstreams, keys } = stand;
  const seen = upstreams.map(() => 0);
  let position = 0;
  let capped = 0;
  let logged = 0;
  return async () => {
    const wrong: string[] = [];
    const attempt = async (what: string, act: () => Promise<unknown>): Promise<void> => {
      await act().catch((error: unknown) => wrong.push(`${what}: ${error instanceof Error ? error.message : String(error)}`));
    };
    await attempt('a valid call', async () => {
      const answer = await post(`${gate.mcpUrl}/mcp/up`, { key: keys.reader.key, body: toolCall('tool_0', {}, 'alive') });
      if (answer.status !== 200 || answer.json.id !== 'alive' || !answer.json.result) throw new Error(`${answer.status} ${answer.text}`);
    });
    await attempt('what was left behind is given up', () => eventually('nothing runs', () => idle(stand), 10_000));
    if (wrong.length > 0) return [...wrong, ...logFaults(gate.stderr().slice(logged))];
    const records = await place.open((authority) => readJournal(authority, undefined, position));
    position += records.length;
    const intents = records.filter(({ kind }) => kind === 'call.intent');
    for (const [at, { requests }] of upstreams.entries()) {
      wrong.push(...judgeReceived(requests.slice(seen[at]), intents));
      seen[at] = requests.length;
    }
    wrong.push(...judgeIntents(stand, intents));
    capped += intents.filter(({ keyId, method }) => keyId === keys.capped.id && method === 'tools/call').length;
    if (capped > cappedCalls) wrong.push(`I2: ${capped} calls of a key that may make ${cappedCalls}`);
    const said = gate.stderr().slice(logged) + gate.stdout();
    logged = gate.stderr().length;
    wrong.push(...logFaults(said));
    for (const [name, { key }] of Object.entries(keys)) if (said.includes(secretOf(key))) wrong.push(`I5: the key ${name} is in the log`);
    if (said.includes(upstreamSecret)) wrong.push("I5: the upstream's credential is in the log");
    if (stand.residentBytes() > residentBytesMax) wrong.push(`${stand.residentBytes()} bytes are resident`);
    return wrong;
  };
}

async function idle({ gate }: FuzzStand): Promise<true | undefined> {
  const text = await (await fetch(`${gate.adminUrl}/metrics`)).text();
  const none = ['keygate_running', 'keygate_requests_under_way', 'keygate_request_body_bytes'].every((name) =>
    text.includes(`\n${name} 0\n`),
  );
  return none ? true : undefined;
}

/** I1 and I4: whatever reached a server is a message that an independent parser reads in the same way, and is on record. */
function judgeReceived(received: readonly RecordedRequest[], intents: readonly JournalRecord[]): string[] {
  const wrong: string[] = [];
  const left = [...intents];
  const takeIntent = (matches: (intent: JournalRecord) => boolean): boolean => {
    const at = left.findIndex(matches);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  };
  for (const request of received) {
    const of = `${request.method} ${request.url} ${request.body.slice(0, 200)}`;
    const { headers } = request;
    if (headers.authorization !== `Bearer ${upstreamSecret}` || headers.cookie !== undefined) wrong.push(`A10: other credentials: ${of}`);
    if (Object.values(headers).some((value) => /kg_(?:live|test)_/.test(String(value)))) wrong.push(`A10: a key in a header: ${of}`);
    const requestId = headers['x-request-id'];
    if (!request.url.startsWith('/mcp')) {
      if (!takeIntent((intent) => intent.requestId === requestId && String(intent.method).startsWith('http/')))
        wrong.push(`I1: not on record: ${of}`);
      continue;
    }
    const verdict = request.method === 'POST' ? strictMessage(request.bytes) : undefined;
    if (typeof verdict === 'string') {
      wrong.push(`I4: ${verdict} reached a server: ${of}`);
      continue;
    }
    if (verdict?.kind === 'response') continue;
    const method = verdict?.method ?? (request.method === 'GET' ? 'stream/open' : 'session/end');
    if (unrecorded.test(method)) continue;
    const subject = verdict?.kind === 'request' && (method === 'tools/call' || method === 'prompts/get') ? verdict.name : undefined;
    const found = takeIntent(
      (intent) =>
        intent.requestId === requestId && intent.method === method && (subject === undefined || (intent.tool ?? intent.prompt) === subject),
    );
    // What the gateway asks for itself it asks for a call that is on record.
    const own = ownMethods.has(method) && (requestId === undefined || intents.some((intent) => intent.requestId === requestId));
    if (!found && !own) wrong.push(`I1: not on record: ${of}`);
    // In 2026-07-28 the headers say what the body says.
    if (headers['mcp-method'] !== undefined && headers['mcp-method'] !== method)
      wrong.push(`I4: Mcp-Method says ${headers['mcp-method']}: ${of}`);
  }
  return wrong;
}

/** I3 and I6: only keys that live, and only what they may. */
function judgeIntents({ keys }: FuzzStand, intents: readonly JournalRecord[]): string[] {
  const wrong: string[] = [];
  const known = new Set(Object.values(keys).map(({ id }) => id));
  for (const { keyId, tool, method, resource } of intents) {
    const of = `${method} ${tool ?? resource ?? ''} of ${keyId}`;
    if (!known.has(String(keyId))) wrong.push(`an intent of nobody: ${of}`);
    if (keyId === keys.revoked.id) wrong.push(`I3: an intent of a revoked key: ${of}`);
    if (keyId === keys.reader.id && tool !== undefined && !readersTools.includes(tool)) wrong.push(`I6: beyond the scope: ${of}`);
    if (String(method).startsWith('http/') && String(resource).startsWith('/admin')) wrong.push(`I6: beyond the scope: ${of}`);
  }
  return wrong;
}

/** Faults are loud: none of these may be brought about from outside. */
function logFaults(said: string): string[] {
  return said
    .split('\n')
    .filter((line) => /failed inside the gateway|Warning|Uncaught|Unhandled|"a .* round failed"/.test(line))
    .map((line) => `the log says: ${line.slice(0, 1_500)}`);
}

function secretOf(key: string): string {
  return key.split('_')[3]?.slice(0, 43) ?? key;
}

import type { Ending } from '../../src/domain/charge.ts';
import { KnownLists } from '../../src/domain/known-lists.ts';
import type { Micros } from '../../src/domain/money.ts';
import type { Rule } from '../../src/domain/policy.ts';
import { ReadMemory } from '../../src/domain/read-memory.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { Scratch } from '../../src/domain/scratch.ts';
import type { SettleRequest } from '../../src/ports/ledger.ts';
import type { LiveEntry } from '../../src/ports/live.ts';
import type { AnswerReceiver } from '../../src/ports/upstreams.ts';
import { forward } from '../../src/stages/forward.ts';
import type { Admitted } from '../../src/stages/reached.ts';
import { settle } from '../../src/stages/settle.ts';
import { steppedClock, testKey } from '../ports/subject.ts';

export const held = 100_000;

/** One call between its admit and its settle, with the upstream's and the client's part played by the test. */
export interface Attempt {
  readonly upstream: AnswerReceiver;
  /** Whether the gateway has broken the exchange off. */
  aborted(): boolean;
  /** The client goes away. */
  leave(): void;
  cut: LiveEntry['cut'];
  /** The client has taken all that was written. */
  take(): void;
  /** What the client got so far. */
  got(): string;
  /** Resolves with what the ledger was asked to settle. */
  readonly settled: Promise<SettleRequest>;
  readonly faults: string[];
  /** How often the upstream was told to go on. */
  resumed(): number;
}

export interface AttemptTerms {
  readonly rule?: Partial<Rule>;
  readonly era?: 'session' | 'stateless';
  readonly price?: number;
  /** Stands in for `upstreams.dispatch`, which otherwise leaves it all to the test. */
  readonly dispatch?: () => never;
  /** The client is gone before anything is sent. */
  readonly gone?: boolean;
  readonly settle?: () => Promise<void>;
  readonly method?: string;
  /** Stands in for the ledger's one-time ids. */
  readonly remembers?: (ids: readonly string[]) => Promise<readonly boolean[]>;
  readonly answerBytesMax?: number;
  /** Of several attempts, that they read their answers in one. */
  readonly scratch?: Scratch;
  /** Where its answer was read. */
  readonly memory?: ReadMemory;
}

const call = (method: string) =>
  Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name: 'echo', uri: 'a://b', arguments: {} } }));

/** Begins the attempt; resolves once it was handed to the upstream, or has ended without. */
export async function startAttempt(terms: AttemptTerms = {}): Promise<Attempt> {
  const { rule, era = 'session', price = held, method = 'tools/call', answerBytesMax = 10_000 } = terms;
  const handed = Promise.withResolvers<AnswerReceiver>();
  const settled = Promise.withResolvers<SettleRequest>();
  const faults: string[] = [];
  const client = createClient(terms.gone ?? false);
  let entry: LiveEntry | undefined;
  let aborted = false;
  let resumed = 0;
  const clock = steppedClock();
  const ports = {
    clock,
    upstreams: {
      dispatch(_request: unknown, receiver: AnswerReceiver) {
        terms.dispatch?.();
        handed.resolve(receiver);
        return {
          resume: () => {
            resumed += 1;
          },
          abort: () => {
            aborted = true;
          },
        };
      },
    },
    assertions: { sign: async () => 'assertion' },
    seal: { seal: ({ plain }: { plain: string }) => `sealed-${Buffer.from(plain).toString('hex')}` },
    live: {
      enter(entered: LiveEntry) {
        entry = entered;
        return () => undefined;
      },
    },
    log: { note: () => undefined, warn: () => undefined, fault: (message: string) => void faults.push(message) },
    metrics: { request: () => undefined },
    scratch: terms.scratch ?? new Scratch(),
    memory: terms.memory ?? new ReadMemory(),
    lists: new KnownLists(),
    ledger: {
      remembers: terms.remembers,
      async settle(request: SettleRequest) {
        await terms.settle?.();
        settled.resolve(request);
      },
    },
  };
  const scanned = scan(call(method), scanLimits);
  if (!scanned.ok) throw new Error(scanned.detail);
  const limits = { upstreamTimeoutMs: 60_000, answerBytesMax, eventBytesMax: 10_000, heartbeatMs: 60_000, holdMsMax: 60_000 };
  const admitted = {
    ...{ requestId: 'q1', verb: 'POST', headers: {}, address: '127.0.0.1', at: clock.now(), began: clock.monotonic() },
    ...{
      scanned,
      intent: { kind: 'request', message: scanned.message, gate: undefined },
      era,
      session: undefined,
      subject: { tool: 'echo' },
    },
    ...{ price: price as Micros, counts: true, totals: [], reply: client.reply, caller: { key: testKey('ABCD1234'), ancestors: [] } },
    ...{ policy: { limits, upstreams: new Map([['up', { url: 'http://up.test/mcp', credentials: [] }]]) } },
    ...{
      endpoint: { kind: 'upstream', upstream: 'up' },
      upstream: { name: 'up', revision: 'v', denials: 'jsonrpc', pinning: { mode: 'off' } },
    },
    rule: { id: 'up.tools[0]', subject: 'tools', match: ['*'], scopes: [], price, limits: [], stepUp: false, ...rule },
    reservation: { id: 'r1', root: 'key:ABCD1234', holdUntil: clock.now() + 60_000, facts: { requestId: 'q1' } },
  } as unknown as Admitted;
  const ended = forward(ports as never, admitted).then((forwarded) => settle(ports as never, forwarded));
  ended.catch(settled.reject);
  const upstream = await Promise.race([handed.promise, ended]);
  return {
    upstream: upstream ?? { onHead: unreached, onChunk: unreached, onEnd: unreached, onFailure: unreached },
    aborted: () => aborted,
    leave: client.leave,
    cut: (why) => entry?.cut(why),
    take: client.take,
    got: client.got,
    settled: settled.promise,
    faults,
    resumed: () => resumed,
  };
}

function unreached(): never {
  throw new Error('nothing was handed to the upstream');
}

function createClient(gone: boolean) {
  const leaving: (() => void)[] = [];
  const taken: (() => void)[] = [];
  let closed = gone;
  let headSent = false;
  /** As they were given: a client may take them long after. */
  const given: (Buffer | string)[] = [];
  const write = (chunk: Buffer | string) => {
    if (!closed) given.push(chunk);
    return true;
  };
  return {
    reply: {
      get closed() {
        return closed;
      },
      get headSent() {
        return headSent;
      },
      carry: () => undefined,
      head() {
        headSent = true;
      },
      write,
      end(body: Buffer | string | readonly Buffer[] = '', written?: () => void) {
        if (written) taken.push(written);
        for (const piece of typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body) write(piece);
        closed = true;
      },
      cut() {
        closed = true;
      },
      onGone: (listener: () => void) => void leaving.push(listener),
      onDrain: () => undefined,
    },
    take() {
      for (const written of taken.splice(0)) written();
    },
    got: () => given.map(String).join(''),
    leave() {
      closed = true;
      for (const each of leaving) each();
    },
  };
}

/** What a rule's terms make of an ending, said once more and differently than the gateway says it. */
export function due(ending: Ending, charge: Partial<Record<'error' | 'toolError' | 'timeout' | 'lost', string>> = {}): number {
  const free: readonly (string | false)[] = [
    'not-sent',
    charge.error === 'none' && 'error',
    charge.toolError === 'none' && 'tool-error',
    charge.timeout === 'none' && 'timeout',
    charge.lost === 'none' && 'lost',
  ];
  return free.includes(ending) ? 0 : held;
}

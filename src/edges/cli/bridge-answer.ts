import type { Response } from 'undici';
import { errorLine, type Incoming, readdressed, readIncoming } from './bridge-message.ts';
import { type Fed, feed, keepListening } from './bridge-stream.ts';
import type { Wire } from './bridge-wire.ts';

/** keygate's own code for an upstream that failed; outside the range that JSON-RPC reserves. */
const failedCode = -31502;

/** What one carried message still waits for. */
export interface Errand {
  readonly waiting: Set<string | number>;
  readonly initializes: boolean;
  readonly signal: AbortSignal;
}

export interface AnswerOptions {
  readonly wire: Wire;
  readonly write: (line: string) => Promise<void>;
  readonly tell: (text: string) => void;
}

/** Writes what a response holds, whatever its form, until nothing is waited for any more. */
export async function takeAnswer(options: AnswerOptions, errand: Errand, response: Response): Promise<void> {
  if (/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) await takeStream(options, errand, response);
  else await takeBody(options, errand, response);
}

/** Reads a stream and delivers what it says. */
export async function feedErrand(options: AnswerOptions, errand: Errand, response: Response): Promise<Fed> {
  return await feed(response, { deliver: async (incoming) => await deliver(options, errand, incoming), tell: options.tell });
}

/** Answers everything that still waits with an error; where nothing waits, a person is told. */
export async function failErrand({ write, tell }: AnswerOptions, errand: Errand, message: string): Promise<void> {
  if (errand.waiting.size === 0) tell(message);
  for (const id of errand.waiting) await write(errorLine(id, failedCode, message));
  errand.waiting.clear();
}

async function takeStream(options: AnswerOptions, errand: Errand, response: Response): Promise<void> {
  const enough = (): boolean => errand.waiting.size === 0;
  const first = await feedErrand(options, errand, response);
  if (!enough()) {
    await keepListening({
      wire: options.wire,
      first,
      signal: errand.signal,
      feed: async (rest) => await feedErrand(options, errand, rest),
      enough,
    });
  }
  if (!enough() && !errand.signal.aborted) {
    await failErrand(options, errand, 'The answer ended before it was complete. The call may have taken effect.');
  }
}

async function takeBody(options: AnswerOptions, errand: Errand, response: Response): Promise<void> {
  const text = await response.text();
  const messages = text.trim() === '' ? [] : (readIncoming(text) ?? []);
  const refusal = messages.find((message) => message.isError)?.errorMessage;
  if (response.status === 401 || response.status === 403) options.tell(refusal ?? `HTTP ${response.status}`);
  else if (!response.ok && errand.waiting.size === 0) options.tell(refusal ?? `the gateway answered HTTP ${response.status}`);

  const [only] = errand.waiting;
  const isSingle = errand.waiting.size === 1;
  for (const message of messages) {
    // Nobody waits for an answer to a notification, and a client could not place one.
    if (errand.waiting.size === 0) break;
    const isOurs = message.answers === null && isSingle && only !== undefined;
    await deliver(options, errand, isOurs ? readdressed(message, only) : message);
  }
  if (errand.waiting.size > 0)
    await failErrand(options, errand, `The gateway answered HTTP ${response.status} without a fitting JSON-RPC message.`);
}

async function deliver({ wire, write }: AnswerOptions, errand: Errand, incoming: Incoming): Promise<void> {
  if (incoming.answers !== undefined && incoming.answers !== null) errand.waiting.delete(incoming.answers);
  if (errand.initializes && incoming.protocolVersion !== undefined) wire.remember({ protocolVersion: incoming.protocolVersion });
  await write(incoming.line);
}

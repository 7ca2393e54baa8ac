import { isDeepStrictEqual } from 'node:util';
import { splitBatch } from '../../src/domain/batch.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { scan } from '../../src/domain/scan.ts';
import { receive } from '../../src/stages/receive.ts';
import { chanceOf } from '../simulation/chance.ts';
import { createClient } from '../simulation/client.ts';
import { verdictOf } from '../support/scan-verdict.ts';
import { strictMessage } from '../support/strict-message.ts';
import { mutatedBody } from './mutate.ts';

/** Bodies number `from` to `from + count - 1` of a seed. */
export interface BodiesPiece {
  readonly seed: number;
  readonly from: number;
  readonly count: number;
}

export interface BodiesResult {
  /** How often each verdict was given: the kind of message, or why it is none. `element` counts those of batches. */
  readonly verdicts: Readonly<Record<string, number>>;
  readonly wrong: readonly WrongBody[];
}

export interface WrongBody {
  readonly nth: number;
  readonly what: string;
  readonly latin1: string;
}

/** Body number `nth` of a seed is the same wherever it is drawn. */
export function bodyOf(seed: number, nth: number): Buffer {
  return mutatedBody(chanceOf((seed * 1_000_003 + nth) | 0));
}

/** Takes mutated bodies through the first stage, without a network, and holds what it says against the independent parser. */
export async function runBodies({ seed, from, count }: BodiesPiece, policy: Policy): Promise<BodiesResult> {
  const verdicts: Record<string, number> = {};
  const wrong: WrongBody[] = [];
  const said = (verdict: string): void => {
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  };
  for (let nth = from; nth < from + count; nth += 1) {
    const body = bodyOf(seed, nth);
    const what = await judgeBody(body, { policy, said }).catch(
      (error: unknown) => `thrown: ${error instanceof Error ? error.stack : error}`,
    );
    if (what !== undefined) wrong.push({ nth, what, latin1: body.toString('latin1') });
  }
  return { verdicts, wrong };
}

/** What is wrong with what the gateway makes of a body; undefined where nothing is. */
export async function judgeBody(
  body: Buffer,
  { policy, said }: { policy: Policy; said: (verdict: string) => void },
): Promise<string | undefined> {
  const { scanned } = await receive(arrivedWith(body, policy));
  if (scanned === undefined) return 'not scanned';
  const verdict = verdictOf(scanned);
  said(typeof verdict === 'string' ? verdict : verdict.kind);
  const strict = strictMessage(body);
  // Where a limit is passed the scan ends, and what comes later is not judged.
  const isCut = !scanned.ok && strict === 'PARSE_ERROR' && /deeper than|more than/.test(scanned.detail);
  if (!isCut && !isDeepStrictEqual(verdict, strict)) return `${JSON.stringify(verdict)} and ${JSON.stringify(strict)}`;
  // What goes on is what was read.
  if (scanned.ok && !scanned.message.bytes.equals(body)) return 'other bytes would go on';
  return scanned.ok || scanned.array === undefined ? undefined : judgeBatch(scanned.array, { policy, said });
}

/** Each element of a batch is a message of its own, and there are as many of them as any reader finds. */
function judgeBatch(array: Buffer, { policy, said }: { policy: Policy; said: (verdict: string) => void }): string | undefined {
  const { jsonDepthMax, jsonNodesMax, batchMax } = policy.limits;
  const limits = { depthMax: jsonDepthMax, nodesMax: jsonNodesMax };
  const spans = splitBatch(array, { limits, elementsMax: batchMax });
  if (typeof spans === 'string') return undefined;
  const elements = spans.map(({ start, end }) => array.subarray(start, end));
  const read = (JSON.parse(array.toString()) as unknown[]).slice(0, batchMax + 1);
  if (
    !isDeepStrictEqual(
      elements.map((element) => JSON.parse(element.toString()) as unknown),
      read,
    )
  )
    return 'the elements are others';
  for (const element of elements) {
    said('element');
    const [verdict, strict] = [verdictOf(scan(element, limits)), strictMessage(element)];
    if (!isDeepStrictEqual(verdict, strict)) return `of an element: ${JSON.stringify(verdict)} and ${JSON.stringify(strict)}`;
  }
  return undefined;
}

function arrivedWith(body: Buffer, policy: Policy): Parameters<typeof receive>[0] {
  const headers = { host: '127.0.0.1', 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  return {
    ...{
      requestId: 'r',
      at: 0,
      began: 0,
      verb: 'POST',
      httpVersion: '1.1',
      path: '/mcp/up',
      address: '127.0.0.1',
      draining: false,
      policy,
    },
    ...{ headers, rawHeaders: Object.entries(headers).flat(), readBody: async () => body, reply: createClient().reply },
  };
}

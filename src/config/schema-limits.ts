import * as z from 'zod';
import { readBytes, readCount, readMilliseconds } from './amounts.ts';
import type { Reading } from './problems.ts';
import { hasNumbers, meaning } from './reading.ts';

/** Every bound of the gateway. Names ending in `Ms` are milliseconds, in `BytesMax` bytes, all others counts. */
export interface Limits {
  bodyBytesMax: number;
  headerBytesMax: number;
  answerBytesMax: number;
  eventBytesMax: number;
  upstreamTimeoutMs: number;
  holdMsMax: number;
  headersTimeoutMs: number;
  bodyTimeoutMs: number;
  connectionsMax: number;
  connectionsPerAddressMax: number;
  requestsMax: number;
  bodiesBytesMax: number;
  loopLagMsMax: number;
  streamsMax: number;
  streamsPerKeyMax: number;
  streamsPerAddressMax: number;
  heartbeatMs: number;
  drainMsMax: number;
  failedAuthPerMinuteMax: number;
  jsonDepthMax: number;
  jsonNodesMax: number;
  batchMax: number;
  aggregateMemberMs: number;
}

/** Larger bodies would not fit into one string of the engine. */
const largestBytes = 256 * 1024 ** 2;
/** Timers with a longer delay fire at once (Node's setTimeout). */
const longestMs = 2 ** 31 - 1;
const largestCount = 100_000_000;

/** All bodies together are no single string. */
const largestTotalBytes = 1024 ** 4;

const bytes = limit(readBytes, largestBytes, '256MiB');
const total = limit(readBytes, largestTotalBytes, '1TiB');
const ms = limit(readMilliseconds, longestMs, '24d');
const count = limit(readCount, largestCount, '100000000');

export const limitsSchema = z
  .strictObject({
    bodyBytesMax: bytes('4MiB', 'Largest request body.'),
    headerBytesMax: bytes('16KiB', 'Largest request head.'),
    answerBytesMax: bytes('16MiB', 'Largest answer of an upstream that is not a stream.'),
    eventBytesMax: bytes('4MiB', 'Largest single event in a stream.'),
    upstreamTimeoutMs: ms(60_000, 'Longest wait for the head of an answer.'),
    holdMsMax: ms(120_000, 'How long money stays reserved for a running call; must exceed upstreamTimeoutMs.'),
    headersTimeoutMs: ms(10_000, 'Longest time a client may take to send its request head.'),
    bodyTimeoutMs: ms(30_000, 'Longest time a client may take to send its request body.'),
    connectionsMax: count(10_000, 'Open client connections.'),
    connectionsPerAddressMax: count(
      8_000,
      'Open client connections of one address, or one IPv6 /64; those of trusted proxies are not counted.',
    ),
    requestsMax: count(2_000, 'Requests under way; one more is refused with OVERLOADED. Streams are not counted.'),
    bodiesBytesMax: total('256MiB', 'Bytes of all request bodies that are under way.'),
    loopLagMsMax: ms(500, 'Standing delay of the event loop; with more, new requests are refused with OVERLOADED.'),
    streamsMax: count(5_000, 'Open streams.'),
    streamsPerKeyMax: count(100, 'Open streams of one key.'),
    streamsPerAddressMax: count(5_000, 'Open streams of one address.'),
    heartbeatMs: ms(15_000, 'Time between two comments in a quiet stream.'),
    drainMsMax: ms(25_000, 'Longest time running calls get when the process is asked to stop.'),
    failedAuthPerMinuteMax: count(1_000, 'Failed authentications per address and minute.'),
    jsonDepthMax: limit(readCount, 1_000, '1000')(64, 'Deepest nesting of a JSON body.'),
    jsonNodesMax: count(100_000, 'Most values in a JSON body.'),
    batchMax: limit(readCount, 1_000, '1000')(50, 'Most messages of a batch (protocol 2025-03-26).'),
    aggregateMemberMs: ms(5_000, 'Longest wait for each upstream where all of a path are asked.'),
  })
  .refine((limits) => limits.holdMsMax > limits.upstreamTimeoutMs, {
    // Also judged when another limit is wrong, so that all problems come at once.
    when: ({ value }) => hasNumbers(value, ['holdMsMax', 'upstreamTimeoutMs']),
    path: ['holdMsMax'],
    error: 'must be greater than upstreamTimeoutMs, or a hold could end while its call is still running',
  });

function limit(read: (written: number | string) => Reading<number>, max: number, maxText: string) {
  const bounded = (written: number | string): Reading<number> => {
    const reading = read(written);
    if (!('value' in reading)) return reading;
    if (reading.value < 1) return { message: 'must be greater than zero' };
    return reading.value <= max ? reading : { message: `must be at most ${maxText}` };
  };
  return (fallback: number | string, description: string) =>
    meaning(z.union([z.int(), z.string()]), bounded)
      .prefault(fallback)
      .describe(description);
}

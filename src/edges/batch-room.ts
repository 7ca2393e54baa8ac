import { Denial } from '../domain/denial.ts';
import type { Received } from '../stages/reached.ts';
import { renderDenial } from '../stages/render-denial.ts';
import type { CapturedAnswer } from './captured-reply.ts';

/**
 * Bounds what the answers of one batch take together, in bytes: elements are many, and each answer may be as long as answers may be. One that has no
 * room left, or could not be kept whole, is an error with its own id: whoever waits for it hears that the call was made.
 */
export function createBatchRoom(bytesMax: number): (element: Received, answer: CapturedAnswer) => CapturedAnswer {
  let left = bytesMax;
  return (element, answer) => {
    const { status, headers, body, whole } = answer;
    // Streams went out as they came; what has no head is nobody's answer any more.
    if (status === undefined || String(headers['content-type'] ?? '').startsWith('text/event-stream')) return answer;
    if (whole && body.length <= left) {
      left -= body.length;
      return answer;
    }
    const detail = `The answers of this batch are together longer than ${bytesMax} bytes, and this one was left out. Ask in smaller batches.`;
    const refusal = renderDenial(new Denial('MESSAGE_TOO_LARGE', { detail, facts: { limit: bytesMax, outcome: 'unknown' } }), element);
    return { ...refusal, body: Buffer.from(refusal.body), whole: true };
  };
}

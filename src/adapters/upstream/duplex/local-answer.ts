import type { AnswerReceiver, UpstreamExchange } from '../../../ports/upstreams.ts';
import { createOutlet } from './outlet.ts';

/** A status that no upstream gave, told once the caller has its exchange. */
export function answerStatus(receiver: AnswerReceiver, status: number): UpstreamExchange {
  const outlet = createOutlet(receiver);
  queueMicrotask(() => outlet.status(status));
  return outlet;
}

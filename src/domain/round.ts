import type { Edit } from './listing.ts';
import type { RequestMessage, ResponseMessage } from './message.ts';

/**
 * Multi-round trips (2026-07-28): a call is answered with `input_required`, and sent again with the input and the answer's `requestState`. The
 * state that a client holds is this gateway's own; the upstream's is sealed inside it.
 */

/** How often one call may be sent again without being paid again. */
export const roundsMax = 8;
/** Longest state of an upstream's, in bytes of its JSON text: it must fit, sealed, into each request. */
export const stateBytesMax = 32_768;
/** How long a state is taken, in milliseconds. */
export const stateMsMax = 3_600_000;

export interface RoundState {
  /** Which retry this is good for: 1 is the first. */
  readonly round: number;
  /** When it was sealed, ms since the epoch. */
  readonly at: number;
  /** Hash of the arguments that were paid for. */
  readonly arguments: string;
  /** JSON text of the upstream's own state, quotes included, as it spelled it; absent where it gave none. */
  readonly own?: string;
}

/** What is sealed: one line of facts, and the upstream's state behind it, so that its bytes come back as they were. */
export function stateText({ own, ...facts }: RoundState): string {
  return `${JSON.stringify(facts)}\n${own ?? ''}`;
}

export function readStateText(text: string): RoundState {
  const end = text.indexOf('\n');
  const facts = JSON.parse(text.slice(0, end)) as Omit<RoundState, 'own'>;
  const own = text.slice(end + 1);
  return { ...facts, ...(own === '' ? {} : { own }) };
}

/** JSON text of the state that an answer brings, or undefined. */
export function ownState({ bytes, marks }: ResponseMessage): string | undefined {
  const span = marks?.requestState;
  return span && bytes.toString('utf8', span.start, span.end);
}

/** Puts the sealed state into an answer: in the place of the upstream's own, or, where it gave none, as the first member. */
export function stateEdit({ marks, body }: ResponseMessage, sealed: string): Edit {
  const text = JSON.stringify(sealed);
  if (marks?.requestState) return { span: marks.requestState, text };
  const inside = body.start + 1;
  // A result that asks for input has at least its `resultType`, so a comma is right.
  return { span: { start: inside, end: inside }, text: `"requestState":${text},` };
}

/** Puts the upstream's own state back into the request, or takes the member out where the upstream had given none. */
export function ownStateEdit({ bytes, params }: RequestMessage, own: string | undefined): Edit {
  const { requestState, requestStateMember: member } = params;
  if (!requestState || !member) throw new Error('the request carries no state');
  if (own !== undefined) return { span: requestState, text: own };
  let { start, end } = member;
  while (isSpace(bytes[end])) end += 1;
  if (bytes[end] === 0x2c) return { span: { start, end: end + 1 }, text: '' };
  while (isSpace(bytes[start - 1])) start -= 1;
  return { span: { start: bytes[start - 1] === 0x2c ? start - 1 : start, end: member.end }, text: '' };
}

/** RFC 8259, section 2. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

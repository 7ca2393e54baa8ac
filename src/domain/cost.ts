import { JsonWalk } from './json-walk.ts';
import type { ResponseMessage } from './message.ts';
import { type Micros, microsMax } from './money.ts';

/** What a result says that the call cost, or why that cannot be known. */
export type CostReading = { readonly cost: Micros } | { readonly fault: CostFault };

/** `missing`: nothing stands there. `unreadable`: no decimal number. `too-large`: more than any call can cost. */
export type CostFault = 'missing' | 'unreadable' | 'negative' | 'too-large';

/**
 * The cost that a result states in `_meta[name]`, as a JSON number or a decimal string, in micro-units. It is read from the bytes as they
 * were written, so no digit is lost to a float; a part of a micro-unit counts as a whole one. Never throws for a message that was scanned.
 * @param message the answer; an error, and a result that is no object, state no cost
 */
export function readCost(message: ResponseMessage, name: string): CostReading {
  let reading: CostReading = { fault: 'missing' };
  if (message.outcome !== 'result') return reading;
  // The text was scanned when the message was made: reading it again needs no limits.
  const limits = { depthMax: Number.POSITIVE_INFINITY, nodesMax: Number.POSITIVE_INFINITY, loneSurrogates: true };
  const walk = new JsonWalk({ bytes: message.bytes, limits, at: message.body.start });
  eachMember(walk, (member) => {
    if (member !== '_meta') walk.value();
    else
      eachMember(walk, (entry) => {
        if (entry === name) reading = readValue(walk);
        else walk.value();
      });
  });
  return reading;
}

/** Longer texts than this are no amounts, and are not even decoded. */
const textBytesMax = 64;

function readValue(walk: JsonWalk): CostReading {
  const { at } = walk;
  const isNumber = walk.isNumber();
  const isString = walk.isString();
  walk.value();
  if (!isNumber && !isString) return { fault: 'unreadable' };
  if (walk.at - at > textBytesMax) return { fault: 'unreadable' };
  return costOf(isString ? walk.text() : walk.bytes.toString('latin1', at, walk.at));
}

/** RFC 8259 section 6. */
const decimal = /^(-)?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$/;

/** A decimal text of at most 64 characters as an amount, rounded up to micro-units: a smaller part is never free. */
export function costOf(text: string): CostReading {
  const match = text.length <= textBytesMax ? decimal.exec(text) : null;
  if (!match) return { fault: 'unreadable' };
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`;
  const isZero = !/[1-9]/.test(digits);
  if (sign !== undefined && !isZero) return { fault: 'negative' };
  // How many of the digits stand before the point of the millionths.
  const before = whole.length + Number(exponent) + 6;
  const kept = (before <= 0 ? '' : digits.slice(0, before).padEnd(before, '0')).replace(/^0+/, '');
  const rest = before <= 0 ? digits : digits.slice(before);
  if (isZero) return { cost: 0 as Micros };
  // The largest amount has 16 digits; longer texts need no conversion to be known as larger.
  const micros = kept.length > 16 ? Number.POSITIVE_INFINITY : Number(kept) + (/[1-9]/.test(rest) ? 1 : 0);
  return micros <= microsMax ? { cost: micros as Micros } : { fault: 'too-large' };
}

/** Reads the value at hand; of an object, `read` gets each member's name and reads its value. */
function eachMember(walk: JsonWalk, read: (name: string) => void): void {
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do read(walk.name());
    while (walk.moreMembers());
  }
}

import { Denial } from '../domain/denial.ts';
import type { RequestMessage } from '../domain/message.ts';
import { type Micros, microsMax, zeroMicros } from '../domain/money.ts';
import { narrowingEdits, readSubscriptions } from '../domain/subscriptions.ts';
import { judgeRule } from './judge-rule.ts';
import { decidableUri, mayUse } from './may-use.ts';
import { edited } from './open-request.ts';
import type { Ports } from './ports.ts';
import type { Authorized, Understood } from './reached.ts';

/** Resources that one stream may be about. */
const subscribedMax = 1_000;

/**
 * What of a filter may this key hear of? A resource is decided like a read of it, scopes, condition and second factor; what may not be read is
 * left out, and the server's acknowledgement tells the client what is left. The stream costs what reading each once would.
 * @throws Denial INVALID_MESSAGE where it is more than can be judged
 */
export async function authorizeSubscriptions(
  ports: Pick<Ports, 'stepUp'>,
  understood: Understood,
  message: RequestMessage,
): Promise<Authorized> {
  const { intent } = understood;
  if (intent.kind !== 'request') throw new Error('only a request subscribes');
  const { uris } = readSubscriptions(message);
  if (uris.length > subscribedMax) {
    throw new Denial('INVALID_MESSAGE', { detail: `At most ${subscribedMax} resources may be listened to at once.` });
  }
  const prices = new Map<string, Micros>();
  for (const { text } of uris) {
    const price = await priceOf(ports, understood, { message, uri: text });
    if (price !== undefined) prices.set(text, price);
  }
  const price = [...prices.values()].reduce<number>((sum, each) => sum + each, 0);
  if (price > microsMax) throw new Denial('INVALID_MESSAGE', { detail: 'Listening to all this at once costs more than can be paid.' });
  const edits = narrowingEdits(message, { uri: (uri) => (prices.has(uri) ? uri : undefined), task: (own) => own });
  const narrowed = edits.length === 0 ? message : edited(message, edits, understood);
  const money = { price: price === 0 ? zeroMicros : (price as Micros), counts: price > 0, totals: [] };
  return { ...understood, intent: { ...intent, message: narrowed }, rule: undefined, subject: {}, ...money };
}

/** What hearing of a resource costs, or undefined where the key may not read it. */
async function priceOf(
  ports: Pick<Ports, 'stepUp'>,
  understood: Understood,
  { message, uri }: { message: RequestMessage; uri: string },
): Promise<Micros | undefined> {
  if (!mayUse(understood, 'resources', { span: { start: 0, end: 0 }, uri })) return undefined;
  const rule = understood.upstream.ruleFor('resources', decidableUri(uri) ?? '');
  if (!rule) return undefined;
  try {
    await judgeRule(ports, understood, { rule, message, tool: '' });
    return rule.price;
  } catch (thrown) {
    // A store that cannot be asked refuses the whole request; a rule that says no leaves out this one.
    if (thrown instanceof Denial && thrown.reason !== 'STORE_UNAVAILABLE') return undefined;
    throw thrown;
  }
}

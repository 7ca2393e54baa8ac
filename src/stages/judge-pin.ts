import { Denial } from '../domain/denial.ts';
import type { HeldTool, PinCause } from '../domain/tool-pin.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Understood } from './reached.ts';

type Asking = Pick<Understood, 'upstream' | 'intent'>;

const causes: Readonly<Record<PinCause, string>> = {
  changed: 'its definition changed after it was pinned',
  restless: 'its definition keeps changing',
  duplicate: 'the upstream lists its name more than once',
  'param-header': 'its input schema declares an x-mcp-header that the protocol does not allow',
  'too-large': 'its name or definition is larger or deeper than is looked into',
  'too-many': 'the upstream lists more tools than can be pinned',
  manual: 'an operator took it away',
  unapproved: 'no operator has approved it',
};

/**
 * Where the answer will be a list of tools it is judged as it comes, so what is pinned must be known by then. Undefined where nothing need be.
 * @throws Denial STORE_UNAVAILABLE, by rejecting
 */
export function preparePins({ toolPins }: Pick<Ports, 'toolPins'>, { upstream, intent }: Asking): Promise<void> | undefined {
  const answered =
    intent.kind === 'stream' ? intent.resumed?.answers?.method : intent.kind === 'request' ? intent.message.method : undefined;
  return answered === 'tools/list' ? failClosed(toolPins.ready(upstream)) : undefined;
}

/**
 * Is the tool still what it was when it was pinned? A promise only where the store has to be asked.
 * @throws Denial TOOL_NOT_ALLOWED where it is held back, STORE_UNAVAILABLE where nobody can say
 */
export function requirePinned(
  { toolPins }: Pick<Ports, 'toolPins'>,
  { upstream }: Pick<Asking, 'upstream'>,
  tool: string,
): Promise<void> | undefined {
  if (upstream.pinning.mode === 'off') return undefined;
  const asked = toolPins.heldBack(upstream, tool);
  if (asked instanceof Promise) return failClosed(asked).then((held) => refuseHeld(held, tool));
  refuseHeld(asked, tool);
  return undefined;
}

function refuseHeld(held: HeldTool | undefined, tool: string): void {
  if (held) throw new Denial('TOOL_NOT_ALLOWED', { detail: detailOf(held), facts: { tool, pin: held.state, cause: held.cause } });
}

function detailOf({ state, cause }: HeldTool): string {
  const what = state === 'pending' ? 'This tool waits for an approval' : 'This tool is quarantined';
  const how = cause === 'unapproved' || cause === 'changed' || cause === 'restless' || cause === 'manual';
  const lift = how ? 'looks at it with keygate tools diff and lets it pass with keygate tools approve' : 'has the upstream put it right';
  return `${what}: ${causes[cause]}. An operator ${lift}.`;
}

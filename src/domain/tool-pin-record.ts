import type { RecordFacts } from './record.ts';
import { redact } from './redact.ts';
import { candidateOf, changesOf, type ToolPin } from './tool-pin.ts';

export type PinEvent = 'tool.pinned' | 'tool.changed' | 'tool.quarantined' | 'tool.reported' | 'tool.approved';

/** What the journal says of a pin that was put: which parts changed, by hashes and never by their texts, which are the upstream's. */
export function pinFacts(kind: PinEvent, pin: ToolPin, more: Readonly<Record<string, unknown>> = {}): RecordFacts {
  const changed = changesOf(pin);
  return {
    ...{ kind, upstream: pin.upstream, tool: redact(pin.tool), state: pin.state, cause: pin.cause },
    ...{ definition: candidateOf(pin)?.whole, pinnedDefinition: pin.pinned?.whole },
    ...(changed.length > 0 && { changed }),
    ...more,
  };
}

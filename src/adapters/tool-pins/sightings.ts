import { createHash } from 'node:crypto';
import { readSighting, type Sighting } from '../../domain/tool-definition.ts';
import type { ListedTool } from '../../ports/tool-pins.ts';

/** Reads what is listed, without its texts. A tool that is spelled as it was last time is not parsed again: lists are asked for often. */
export function createSightings({ toolsMax }: { toolsMax: number }): (upstream: string, listed: ListedTool) => Sighting {
  const known = new Map<string, Map<string, { readonly digest: string; readonly sighting: Sighting }>>();
  return (upstream, { name, bytes }) => {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const tools = known.get(upstream) ?? new Map();
    known.set(upstream, tools);
    const before = tools.get(name);
    if (before?.digest === digest) return before.sighting;
    const sighting = withoutText(readSighting(bytes));
    if (tools.size >= toolsMax) tools.clear();
    tools.set(name, { digest, sighting });
    return sighting;
  };
}

function withoutText({ definition: { whole, parts }, ...rest }: Sighting): Sighting {
  return { ...rest, definition: { whole, parts } };
}

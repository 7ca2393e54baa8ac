import { createToolPins, type WatchedPins } from './adapters/tool-pins/tool-pins.ts';
import { createCatalogue } from './adapters/upstream/catalogue.ts';
import type { Policy } from './domain/policy.ts';
import type { Catalogue } from './ports/catalogue.ts';
import type { Log } from './ports/observe.ts';
import type { Store } from './ports/store.ts';
import type { ToolPins } from './ports/tool-pins.ts';
import type { Upstreams } from './ports/upstreams.ts';
import { systemClock as clock } from './system-clock.ts';

/** What the gateway knows of upstreams' tools: what they say of themselves, and whether they are what was pinned. Each list serves both. */
export function composePins(options: { store: Store; upstreams: Upstreams; policy: () => Policy; log: Log }): {
  catalogue: Catalogue;
  toolPins: WatchedPins;
  /** The same for dry runs, which ask no upstream to know more of a tool. */
  knownPins: ToolPins;
  /** Tools that are held back, by upstream. @throws Error where the store does not say */
  heldTools(): Promise<Map<string, number>>;
} {
  const { store, upstreams, policy, log } = options;
  const { ledger, pins, duties } = store;
  const find = (name: string) => policy().upstreams.get(name);
  const catalogue = createCatalogue({
    ...{ upstreams, ledger, clock },
    credentialsOf: (name) => find(name)?.credentials ?? [],
    async listed(name, tools) {
      const upstream = find(name)?.policy;
      if (upstream) await toolPins.looked(upstream, tools);
    },
  });
  const toolPins = createToolPins({ pins, duties, clock, log, look: (name) => catalogue.look(name) });
  return {
    catalogue,
    toolPins,
    knownPins: createToolPins({ pins, duties, clock, log }),
    async heldTools() {
      const counts = [...policy().upstreams].map(async ([name, upstream]) => [name, await toolPins.heldCount(upstream.policy)] as const);
      return new Map(await Promise.all(counts));
    },
  };
}

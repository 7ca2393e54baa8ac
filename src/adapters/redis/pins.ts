import type { Definition } from '../../domain/tool-definition.ts';
import { type ToolPin, withoutTexts } from '../../domain/tool-pin.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Pins } from '../../ports/pins.ts';
import type { Connection } from './connection.ts';
import type { PartitionName } from './dump-names.ts';
import { entryArguments } from './key-entry.ts';
import { inPartition, partitionOf, prefixOf } from './layout.ts';
import { loadScript } from './scripts.ts';

/** The pins port on Redis. All pins of an upstream stand in one partition, so a pin and its journal record are one commit. */
export function createPins(options: { connection: Connection; clock: Clock; nextName: () => string }): Pins {
  const { connection, clock, nextName } = options;
  const { client } = connection;
  const script = loadScript('pin-put');
  return {
    revision: async (upstream) => Number((await client.hget(inPartition.pins(homeOf(upstream), upstream), 'n')) ?? '0'),
    of: async (upstream) => pinsOf(await client.hgetall(inPartition.pins(homeOf(upstream), upstream))),
    async get(upstream, tool) {
      const home = homeOf(upstream);
      const [pin, texts] = await Promise.all([
        client.hget(inPartition.pins(home, upstream), `p:${tool}`),
        client.hget(inPartition.pinTexts(home, upstream), textField(tool)),
      ]);
      return pin === null ? undefined : withTexts(JSON.parse(pin) as ToolPin, texts);
    },
    async put({ pin, expected, record }) {
      const { upstream, tool, revision } = pin;
      if (revision !== expected + 1) throw new Error(`The next revision of a pin of ${upstream} is ${expected + 1}, not ${revision}.`);
      const { pin: fields, texts } = fieldsOfPin(pin);
      const entry = entryArguments(record, clock.now());
      const args = [upstream, tool, String(expected), nextName(), String(revision), fields[1], texts[1], ...entry];
      return (await connection.run(script, [prefixOf(homeOf(upstream))], args)) === 'ok';
    },
  };
}

/** The partition of an upstream's pins. */
export function homeOf(upstream: string): string {
  return partitionOf(`pins:${upstream}`);
}

/** Fields and values of a pin, as they stand in both hashes of its upstream. */
export function fieldsOfPin(pin: ToolPin): {
  pin: [name: string, json: string, name: string, revision: string];
  texts: [name: string, json: string];
} {
  const { tool, revision, pinned, seen } = pin;
  const texts = [pinned, seen].flatMap((definition) => (definition?.text === undefined ? [] : [[definition.whole, definition.text]]));
  return {
    pin: [`p:${tool}`, JSON.stringify(withoutTexts(pin)), `r:${tool}`, `${revision} `],
    texts: [textField(tool), JSON.stringify(texts)],
  };
}

function textField(tool: string): string {
  return `t:${tool}`;
}

/** Every pin of one upstream with its texts. */
export async function pinsIn({ client }: Pick<Connection, 'client'>, { name, partition, rest }: PartitionName): Promise<ToolPin[]> {
  const [pins, texts] = await Promise.all([client.hgetall(name), client.hgetall(inPartition.pinTexts(partition, rest))]);
  const textOf = new Map(Object.entries(texts));
  return pinsOf(pins).map((pin) => withTexts(pin, textOf.get(textField(pin.tool)) ?? null));
}

function pinsOf(fields: Readonly<Record<string, string>>): ToolPin[] {
  return Object.entries(fields).flatMap(([field, text]) => (field.startsWith('p:') ? [JSON.parse(text) as ToolPin] : []));
}

/** Texts stand by their hashes, because both are read apart and a pin may have been put in between. */
function withTexts(pin: ToolPin, json: string | null): ToolPin {
  const texts = new Map(json === null ? [] : (JSON.parse(json) as [string, string][]));
  const read = (definition: Definition | undefined): Definition | undefined => {
    const text = definition && texts.get(definition.whole);
    return definition && text !== undefined ? { ...definition, text } : definition;
  };
  const pinned = read(pin.pinned);
  const seen = read(pin.seen);
  return { ...pin, ...(pinned && { pinned }), ...(seen && { seen }) };
}

import { createHash } from 'node:crypto';
import type { Definition } from '../../domain/tool-definition.ts';
import { type ToolPin, withoutTexts } from '../../domain/tool-pin.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Pins } from '../../ports/pins.ts';
import { draftRecords, writeDrafts } from './append.ts';
import type { PinTexts, Tables } from './tables.ts';

/** The pins port on LMDB: a pin and its journal record are one commit. */
export function createPins({ tables, clock }: { tables: Tables; clock: Clock }): Pins {
  return {
    async revision(upstream) {
      tables.refresh();
      return revisionOf(tables, upstream);
    },
    async of(upstream) {
      tables.refresh();
      // Keys begin with the upstream's name and a space; names of upstreams have none.
      const range = tables.pins.getRange({ start: `${upstream} `, end: `${upstream}!` });
      return [...range].map(({ value }) => value);
    },
    async get(upstream, tool) {
      tables.refresh();
      const key = pinKey(upstream, tool);
      const pin = tables.pins.get(key);
      return pin && withTexts(pin, tables.pinTexts.get(key) ?? {});
    },
    put: (request) => tables.commit(() => put(tables, clock.now(), request)),
  };
}

/** @throws Error, before any write, where the pin's revision does not follow the expected one */
function put(tables: Tables, now: number, { pin, expected, record }: Parameters<Pins['put']>[0]): boolean {
  const { upstream, tool, revision } = pin;
  if (revision !== expected + 1) throw new Error(`The next revision of a pin of ${upstream} is ${expected + 1}, not ${revision}.`);
  if ((tables.pins.get(pinKey(upstream, tool))?.revision ?? 0) !== expected) return false;
  const next = revisionOf(tables, upstream) + 1;
  const drafts = draftRecords(tables, now, [record]);
  writePin(tables, pin);
  tables.meta.put(metaKey(upstream), next);
  writeDrafts(tables, drafts);
  return true;
}

/** Only writes, to be run inside a commit. */
function writePin(tables: Tables, pin: ToolPin): void {
  const key = pinKey(pin.upstream, pin.tool);
  tables.pins.put(key, withoutTexts(pin));
  tables.pinTexts.put(key, textsOf(pin));
}

/** A pin that another store gave: how often pins were put is counted anew. Only writes. */
export function restorePin(tables: Tables, pin: ToolPin): void {
  writePin(tables, pin);
  tables.meta.put(metaKey(pin.upstream), revisionOf(tables, pin.upstream) + 1);
}

function textsOf({ pinned, seen }: ToolPin): PinTexts {
  return { ...(pinned?.text !== undefined && { pinned: pinned.text }), ...(seen?.text !== undefined && { seen: seen.text }) };
}

export function withTexts(pin: ToolPin, texts: PinTexts): ToolPin {
  const read = (definition: Definition | undefined, text: string | undefined): Definition | undefined =>
    definition && text !== undefined ? { ...definition, text } : definition;
  const pinned = read(pin.pinned, texts.pinned);
  const seen = read(pin.seen, texts.seen);
  return { ...pin, ...(pinned && { pinned }), ...(seen && { seen }) };
}

function revisionOf(tables: Tables, upstream: string): number {
  return Number(tables.meta.get(metaKey(upstream)) ?? 0);
}

function metaKey(upstream: string): string {
  return `pins ${upstream}`;
}

/** By hash, because a tool may have any name of any length, and keys of LMDB may not. */
function pinKey(upstream: string, tool: string): string {
  return `${upstream} ${createHash('sha256').update(tool).digest('hex')}`;
}

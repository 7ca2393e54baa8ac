import { changedParts, type Definition, type DefinitionFault, type DefinitionPart, type Sighting } from './tool-definition.ts';

/** What an upstream's configuration says about its tools' definitions. */
export interface PinTerms {
  /** `first-sight` pins a tool as it is first listed; `approve` holds it back until an operator approves it. */
  readonly mode: 'off' | 'first-sight' | 'approve';
  /** What a change of each part means: the tool is held back, or the change is only reported. */
  readonly onChange: Readonly<Record<DefinitionPart, 'quarantine' | 'report'>>;
}

/** `pinned` tools pass; the others are hidden from lists and refused. */
export type PinState = 'pinned' | 'quarantined' | 'pending';

/** Why a tool is held back. */
export type PinCause = DefinitionFault | 'too-many' | 'changed' | 'restless' | 'manual' | 'unapproved';

/** What is known of one tool of an upstream. Times in ms since the epoch. */
export interface ToolPin {
  readonly upstream: string;
  readonly tool: string;
  readonly state: PinState;
  /** Absent while the tool is pinned. */
  readonly cause?: PinCause;
  /** What passes. Absent where nothing was pinned yet. */
  readonly pinned?: Definition;
  /** What was listed last, where it is something else. */
  readonly seen?: Definition;
  readonly firstSeenAt: number;
  readonly changedAt: number;
  readonly approvedAt?: number;
  /** Key id of the operator, or `cli`. */
  readonly approvedBy?: string;
  /** How often a quarantine ended by itself since the last approval. */
  readonly restored: number;
  /** How often its looks were written down lately, and since when that is counted. */
  readonly told: { readonly since: number; readonly count: number };
  readonly revision: number;
}

/** What a sighting makes of a pin. Without `event` nothing has changed. */
export interface PinJudgement {
  readonly pin: ToolPin;
  readonly event?: 'tool.pinned' | 'tool.changed' | 'tool.quarantined' | 'tool.reported';
}

/** Why a call is refused. */
export interface HeldTool {
  readonly state: Exclude<PinState, 'pinned'>;
  readonly cause: PinCause;
}

/** A tool that goes to and fro ends its quarantine by itself this many times; then only an approval does. */
const restoredMax = 3;
/** While its state stays the same, what a tool looks like is written down at most so often a minute: an upstream must not fill the journal. */
const toldPerMinuteMax = 20;
const minuteMs = 60_000;

/** Judges a tool as it was listed by what is known of it. */
export function judgeSighting(
  pin: ToolPin | undefined,
  sighting: Sighting,
  given: { upstream: string; tool: string; terms: PinTerms; now: number },
): PinJudgement {
  const { upstream, tool, terms, now } = given;
  const { definition, fault } = sighting;
  const takesFirst = terms.mode === 'first-sight' && fault === undefined && pin?.cause !== 'manual';
  const pinned = pin?.pinned ?? (takesFirst ? definition : undefined);
  const seen = pinned?.whole === definition.whole ? undefined : definition;
  const { state, cause } = verdictOf(pin, pinned, sighting, terms);
  const same = pin?.state === state && pin.cause === cause;
  if (pin && same && pin.seen?.whole === seen?.whole && pin.pinned?.whole === pinned?.whole) return { pin };
  const told = tellAt(pin?.told, now);
  if (pin && same && told.count > toldPerMinuteMax) return { pin };
  const lifted = pin?.state === 'quarantined' && state === 'pinned' && pin.pinned !== undefined;
  const next: ToolPin = {
    ...{ upstream, tool, state, ...(cause && { cause }), ...(pinned && { pinned }), ...(seen && { seen }) },
    ...{ firstSeenAt: pin?.firstSeenAt ?? now, changedAt: now, ...approvalOf(pin) },
    ...{ restored: (pin?.restored ?? 0) + (lifted ? 1 : 0), told, revision: (pin?.revision ?? 0) + 1 },
  };
  return { pin: next, event: eventOf(pin, next, same) };
}

function tellAt(told: ToolPin['told'] | undefined, now: number): ToolPin['told'] {
  if (!told || now - told.since >= minuteMs) return { since: now, count: 1 };
  return { ...told, count: told.count + 1 };
}

function verdictOf(
  pin: ToolPin | undefined,
  pinned: Definition | undefined,
  { definition, fault }: Sighting,
  terms: PinTerms,
): { state: PinState; cause?: PinCause } {
  // What a person did, only a person undoes.
  if (pin?.cause === 'manual') return { state: 'quarantined', cause: 'manual' };
  if (fault) return { state: 'quarantined', cause: fault };
  if (!pinned || (terms.mode === 'approve' && pin?.approvedAt === undefined)) return { state: 'pending', cause: 'unapproved' };
  if (isBreach(pinned, definition, terms)) return { state: 'quarantined', cause: 'changed' };
  if (pin?.state === 'quarantined' && pin.restored >= restoredMax) return { state: 'quarantined', cause: 'restless' };
  return { state: 'pinned' };
}

function eventOf(before: ToolPin | undefined, { state, seen }: ToolPin, same: boolean): PinJudgement['event'] & string {
  if (state !== 'pinned') return same ? 'tool.changed' : 'tool.quarantined';
  if (before?.pinned === undefined || before.state === 'pending') return 'tool.pinned';
  return before.state === 'pinned' && seen ? 'tool.reported' : 'tool.changed';
}

/**
 * Why a call to the tool is refused under these terms; undefined where it may pass. A tool that nobody has seen listed passes at first sight:
 * there is nothing that could have changed.
 */
export function heldBack(pin: ToolPin | undefined, terms: PinTerms): HeldTool | undefined {
  if (terms.mode === 'off') return undefined;
  if (pin?.state === 'quarantined') return { state: 'quarantined', cause: pin.cause ?? 'changed' };
  const unapproved = terms.mode === 'approve' && pin?.approvedAt === undefined;
  if (unapproved || pin?.state === 'pending') return { state: 'pending', cause: 'unapproved' };
  // The terms may have become stricter since the change was reported.
  if (pin?.pinned && pin.seen && isBreach(pin.pinned, pin.seen, terms)) return { state: 'quarantined', cause: 'changed' };
  return undefined;
}

/** The definition that an approval would pin: what was listed last. */
export function candidateOf({ seen, pinned }: ToolPin): Definition | undefined {
  return seen ?? pinned;
}

/** What differs between what is pinned and what was listed last. */
export function changesOf({ pinned, seen }: ToolPin): DefinitionPart[] {
  return pinned && seen ? changedParts(pinned, seen) : [];
}

const faults: ReadonlySet<PinCause> = new Set<PinCause>(['duplicate', 'param-header', 'too-large']);

/** A tool that is listed wrongly cannot be approved: what would be pinned is not what clients could use. */
export function isFaulty({ cause }: ToolPin): boolean {
  return cause !== undefined && faults.has(cause);
}

/** The pin once an operator has approved what was listed last. */
export function approved(pin: ToolPin, { now, by }: { now: number; by: string }): ToolPin {
  const { cause: _cause, seen: _seen, ...rest } = pin;
  const pinned = candidateOf(pin);
  return {
    ...{ ...rest, state: 'pinned', ...(pinned && { pinned }), changedAt: now, approvedAt: now, approvedBy: by },
    ...{ restored: 0, revision: pin.revision + 1 },
  };
}

/** The pin once an operator has taken the tool away. */
export function quarantined(pin: ToolPin, { now }: { now: number }): ToolPin {
  return { ...pin, state: 'quarantined', cause: 'manual', changedAt: now, revision: pin.revision + 1 };
}

/** A pin without the texts of its definitions: what decides. */
export function withoutTexts({ pinned, seen, ...rest }: ToolPin): ToolPin {
  return { ...rest, ...(pinned && { pinned: hashesOf(pinned) }), ...(seen && { seen: hashesOf(seen) }) };
}

function hashesOf({ whole, parts }: Definition): Definition {
  return { whole, parts };
}

function isBreach(pinned: Definition, definition: Definition, terms: PinTerms): boolean {
  return changedParts(pinned, definition).some((part) => terms.onChange[part] === 'quarantine');
}

function approvalOf(pin: ToolPin | undefined): Pick<ToolPin, 'approvedAt' | 'approvedBy'> {
  if (pin?.approvedAt === undefined) return {};
  return { approvedAt: pin.approvedAt, ...(pin.approvedBy !== undefined && { approvedBy: pin.approvedBy }) };
}

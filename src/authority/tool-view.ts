import { type DefinitionChange, diffDefinitions } from '../domain/definition-diff.ts';
import type { DefinitionPart } from '../domain/tool-definition.ts';
import { candidateOf, changesOf, heldBack, type PinCause, type PinState, type PinTerms, type ToolPin } from '../domain/tool-pin.ts';

/** A tool as people and programs see it. */
export interface ToolView {
  readonly upstream: string;
  readonly tool: string;
  /** As calls are judged now, under the upstream's present terms. */
  readonly state: PinState;
  readonly cause: PinCause | null;
  /** The hash that an approval names: of what was listed last. */
  readonly definition: string;
  /** The hash of what is pinned, where that is something else, or null. */
  readonly pinnedDefinition: string | null;
  readonly changed: readonly DefinitionPart[];
  readonly firstSeenAt: string;
  readonly changedAt: string;
  readonly approvedAt: string | null;
  readonly approvedBy: string | null;
}

export interface ToolDetail extends ToolView {
  /** Canonical JSON of what was listed last, and of what is pinned; null where it is too long to be kept, or there is none. */
  readonly listed: string | null;
  readonly pinned: string | null;
  /** From what is pinned to what was listed last; null where either text is not kept. */
  readonly diff: { readonly changes: readonly DefinitionChange[]; readonly more: boolean } | null;
}

export function viewTool(pin: ToolPin, terms: PinTerms): ToolView {
  const held = heldBack(pin, terms);
  return {
    upstream: pin.upstream,
    tool: pin.tool,
    state: held?.state ?? 'pinned',
    cause: held?.cause ?? null,
    definition: candidateOf(pin)?.whole ?? '',
    pinnedDefinition: pin.pinned?.whole ?? null,
    changed: changesOf(pin),
    firstSeenAt: new Date(pin.firstSeenAt).toISOString(),
    changedAt: new Date(pin.changedAt).toISOString(),
    approvedAt: pin.approvedAt === undefined ? null : new Date(pin.approvedAt).toISOString(),
    approvedBy: pin.approvedBy ?? null,
  };
}

export function detailTool(pin: ToolPin, terms: PinTerms): ToolDetail {
  const listed = candidateOf(pin)?.text ?? null;
  const pinned = pin.pinned?.text ?? null;
  const diff = listed === null || pinned === null ? null : diffDefinitions(pinned, listed);
  return { ...viewTool(pin, terms), listed, pinned, diff };
}

import { createHash } from 'node:crypto';
import { approved, candidateOf, isFaulty, type PinState, quarantined, type ToolPin } from '../domain/tool-pin.ts';
import { type PinEvent, pinFacts } from '../domain/tool-pin-record.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { lineSchema } from './mint-request.ts';
import { Conflict, NotFound, RequestProblems } from './problems.ts';
import { detailTool, type ToolDetail, type ToolView, viewTool } from './tool-view.ts';

/** How often a pin is read again where somebody was faster. */
const attemptsMax = 3;

export interface ToolFilter {
  readonly upstream?: string | undefined;
  readonly state?: PinState | undefined;
}

/**
 * Tools that were seen, of upstreams that are configured, in the order of their names.
 * @param options.cursor the `nextCursor` of the page before
 * @throws NotFound for an upstream that is not configured
 */
export async function listTools(
  authority: Authority,
  { filter, limit, cursor }: { filter: ToolFilter; limit: number; cursor?: string | undefined },
): Promise<{ data: ToolView[]; nextCursor: string | null }> {
  const { upstream, state } = filter;
  const upstreams = upstream === undefined ? authority.upstreams : [upstreamOf(authority, upstream)];
  const found = await Promise.all(
    upstreams.map(async ({ name, pinning }) => (await authority.pins.of(name)).map((pin) => viewTool(pin, pinning))),
  );
  const all = found.flat().sort(inOrder);
  // A hash, because a tool's name may be longer than any cursor. No pin is ever removed.
  const after = cursor === undefined ? 0 : all.findIndex((view) => cursorOf(view) === cursor) + 1;
  if (cursor !== undefined && after === 0) throw new RequestProblems([{ path: 'cursor', message: 'is of no page of this list' }]);
  const rest = all.slice(after).filter((view) => state === undefined || view.state === state);
  const data = rest.slice(0, limit);
  const last = data.at(-1);
  return { data, nextCursor: rest.length > limit && last ? cursorOf(last) : null };
}

/** @throws NotFound */
export async function showTool(authority: Authority, upstream: string, tool: string): Promise<ToolDetail> {
  return detailTool(await findPin(authority, upstream, tool), upstreamOf(authority, upstream).pinning);
}

/**
 * Pins what was listed last, and lets the tool pass.
 * @param options.definition the hash of what was reviewed: what was listed since is not approved with it
 * @throws NotFound, Conflict where another definition was listed last, or the tool is listed in a way that nobody can use
 */
export async function approveTool(
  authority: Authority,
  options: { upstream: string; tool: string; definition: string; by: Actor },
): Promise<ToolView> {
  const { definition, by } = options;
  return await change(authority, options, (pin) => {
    if (candidateOf(pin)?.whole !== definition) {
      throw new Conflict('The upstream lists this tool otherwise by now. Look at it again, then approve the definition that it has now.');
    }
    if (isFaulty(pin)) throw new Conflict(`The tool cannot be approved as it is listed (${pin.cause}). The upstream has to put it right.`);
    const now = authority.clock.now();
    return { kind: 'tool.approved', pin: approved(pin, { now, by: by.keyId ?? by.via }), facts: {} };
  });
}

/** Hides and refuses a tool until it is approved, whatever it is listed as. @throws NotFound, RequestProblems */
export async function quarantineTool(
  authority: Authority,
  options: { upstream: string; tool: string; reason: string; by: Actor },
): Promise<ToolView> {
  const read = lineSchema(200).safeParse(options.reason);
  if (!read.success) throw new RequestProblems(read.error.issues.map(({ message }) => ({ path: 'reason', message })));
  return await change(authority, options, (pin) => {
    return { kind: 'tool.quarantined', pin: quarantined(pin, { now: authority.clock.now() }), facts: { reason: options.reason } };
  });
}

/** Reads, decides and puts, again where somebody was faster. */
async function change(
  authority: Authority,
  { upstream, tool, by }: { upstream: string; tool: string; by: Actor },
  decide: (pin: ToolPin) => { kind: PinEvent; pin: ToolPin; facts: Readonly<Record<string, unknown>> },
): Promise<ToolView> {
  const actor = { via: by.via, ...(by.keyId === undefined ? {} : { byKeyId: by.keyId }) };
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const stored = await findPin(authority, upstream, tool);
    const { kind, pin, facts } = decide(stored);
    const record = pinFacts(kind, pin, { ...facts, ...actor });
    if (await authority.pins.put({ pin, expected: stored.revision, record })) return viewTool(pin, upstreamOf(authority, upstream).pinning);
  }
  throw new Conflict('The tool keeps changing. Look at it again.');
}

async function findPin(authority: Authority, upstream: string, tool: string): Promise<ToolPin> {
  const pin = await authority.pins.get(upstreamOf(authority, upstream).name, tool);
  if (!pin)
    throw new NotFound('No tool of this name was seen at this upstream. A tool is seen when it is listed, and when a rule admits it.');
  return pin;
}

function upstreamOf({ upstreams }: Authority, name: string): Authority['upstreams'][number] {
  const upstream = upstreams.find((each) => each.name === name);
  if (!upstream) throw new NotFound('There is no upstream of this name.');
  return upstream;
}

function inOrder(one: ToolView, other: ToolView): number {
  if (one.upstream !== other.upstream) return one.upstream < other.upstream ? -1 : 1;
  return one.tool < other.tool ? -1 : 1;
}

function cursorOf({ upstream, tool }: ToolView): string {
  return createHash('sha256').update(`${upstream}\n${tool}`).digest('hex');
}

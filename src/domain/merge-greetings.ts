/** What an upstream said when it was greeted: the result of initialize, or of server/discover. */
export interface Greeting {
  readonly upstream: string;
  readonly result: unknown;
}

type Members = Readonly<Record<string, unknown>>;

/** Capabilities that one endpoint over several upstreams can keep: of what is experimental nobody here knows what its methods are about. */
const kept: ReadonlySet<string> = new Set(['tools', 'resources', 'prompts', 'completions', 'logging', 'tasks', 'extensions']);
const keptExtensions: ReadonlySet<string> = new Set(['io.modelcontextprotocol/tasks']);

/** All that any of them can: objects are merged member by member, `true` wins. */
export function mergeCapabilities(greetings: readonly Greeting[]): object {
  const { extensions, ...merged } = mergeObjects(greetings.map(({ result }) => pick(membersOf(membersOf(result).capabilities), kept)));
  const known = pick(membersOf(extensions), keptExtensions);
  return Object.keys(known).length === 0 ? merged : { ...merged, extensions: known };
}

function pick(members: Members, names: ReadonlySet<string>): Members {
  return Object.fromEntries(Object.entries(members).filter(([name, value]) => names.has(name) && isMembers(value)));
}

/** Anything but objects and booleans says nothing that could be merged. */
function mergeObjects(objects: readonly Members[]): Members {
  const merged = new Map<string, unknown>();
  for (const object of objects) {
    for (const [name, value] of Object.entries(object)) {
      const before = merged.get(name);
      if (typeof value === 'boolean') merged.set(name, before === true || value);
      else if (isMembers(value)) merged.set(name, mergeObjects(isMembers(before) ? [before, value] : [value]));
    }
  }
  return Object.fromEntries(merged);
}

/** Each upstream's own words under its name, since they speak of tools by the names that it knows. Undefined where none has any. */
export function mergeInstructions(greetings: readonly Greeting[]): string | undefined {
  const texts = greetings.flatMap(({ upstream, result }) => {
    const { instructions } = membersOf(result);
    return typeof instructions === 'string' && instructions !== ''
      ? [`# ${upstream} (names begin with ${upstream}__)\n\n${instructions}`]
      : [];
  });
  return texts.length === 0 ? undefined : texts.join('\n\n');
}

/** The oldest version that one of them answered with: versions are dates, so the least text is the oldest. */
export function lowestVersion(greetings: readonly Greeting[]): string | undefined {
  return greetings
    .map(({ result }) => versionOf(result))
    .filter((version) => version !== '')
    .sort()[0];
}

/** `result.protocolVersion`, or the empty text. */
export function versionOf(result: unknown): string {
  const { protocolVersion } = membersOf(result);
  return typeof protocolVersion === 'string' && /^[0-9-]{1,10}$/.test(protocolVersion) ? protocolVersion : '';
}

/** Versions that each of them offers, in the first one's order. */
export function sharedVersions(greetings: readonly Greeting[]): string[] {
  const [first = [], ...others] = greetings.map(({ result }) => {
    const { supportedVersions } = membersOf(result);
    return Array.isArray(supportedVersions) ? supportedVersions.filter((version) => typeof version === 'string') : [];
  });
  return first.filter((version) => others.every((each) => each.includes(version)));
}

function membersOf(value: unknown): Members {
  return isMembers(value) ? value : {};
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What an upstream said when it was greeted: the result of initialize, or of server/discover. */
export interface Greeting {
  readonly upstream: string;
  readonly result: unknown;
}

type Members = Readonly<Record<string, unknown>>;

/**
 * Capabilities that one endpoint over several upstreams can keep: tasks are left out, since an id alone does not tell whose task it is, and what
 * is experimental or an extension, since nobody here knows what its methods are about.
 */
const kept: ReadonlySet<string> = new Set(['tools', 'resources', 'prompts', 'completions', 'logging']);

/** All that any of them can: an object is merged member by member, `true` wins. */
export function mergeCapabilities(greetings: readonly Greeting[]): object {
  const merged = new Map<string, Map<string, unknown>>();
  for (const { result } of greetings) {
    for (const [name, value] of Object.entries(membersOf(membersOf(result).capabilities))) {
      if (!kept.has(name)) continue;
      const into = merged.get(name) ?? new Map<string, unknown>();
      merged.set(name, into);
      for (const [flag, set] of Object.entries(membersOf(value)))
        if (typeof set === 'boolean') into.set(flag, into.get(flag) === true || set);
    }
  }
  return Object.fromEntries([...merged].map(([name, flags]) => [name, Object.fromEntries(flags)]));
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
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

interface Absent {
  /** `*` stands for any one segment. */
  readonly path: readonly string[];
  /** Only these values; without it, the member itself. */
  readonly values?: readonly unknown[];
  readonly advice?: string;
}

const sections = ['tools', 'resources', 'prompts', 'methods'];
const ruleMembers = ['approval'];

/** Settings of the full interface that this build does not enforce. Accepting one would promise a protection that is not there (I6). */
const absent: readonly Absent[] = [
  { path: ['listen', 'tls'], advice: 'end TLS in a reverse proxy in front of keygate' },
  { path: ['journal', 'arguments'], values: ['full', 'metadata'], advice: 'use hash or none' },
  { path: ['upstreams', '*', 'passthrough'] },
  ...sections.flatMap((section) => ruleMembers.map((member): Absent => ({ path: ['upstreams', '*', section, '*', member] }))),
];

/** The hint for a setting that exists in the interface but not in this build; undefined for any other. */
export function notInBuild(path: readonly PropertyKey[], value: unknown): string | undefined {
  const row = absent.find((candidate) => covers(candidate.path, path) && (candidate.values?.includes(value) ?? true));
  if (!row) return undefined;
  return row.advice === undefined ? 'not in this build' : `not in this build; ${row.advice}`;
}

function covers(pattern: readonly string[], path: readonly PropertyKey[]): boolean {
  return pattern.length === path.length && pattern.every((part, index) => part === '*' || part === String(path[index]));
}

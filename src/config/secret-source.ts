import type { Reading } from './problems.ts';

/** A place outside this machine that keeps secrets. Adapters speak to it; the configuration says which secret. */
export interface SecretSource {
  /** True where one secret always has several members, so that a reference must name one. */
  readonly membersOnly: boolean;
  /**
   * The text of one secret; of one with members, a JSON object. Whatever fails is a reading without a value, whose message completes
   * "needs the secret X, which …" and never shows what was read.
   */
  read(name: string, options: { signal: AbortSignal }): Promise<Reading<string>>;
}

/** Sources by the word that stands before the colon in `${aws:…}`. */
export type SecretSources = Readonly<Partial<Record<SecretScheme, SecretSource>>>;
export type SecretScheme = 'aws' | 'vault';

/** What a configuration asks for, each secret once. */
export interface Fetched {
  /** The value that the text between `${` and `}` stands for; undefined where it is no reference to a source. */
  resolve(reference: string): Promise<Reading<string>> | undefined;
  /** True once any reference to a source was resolved. */
  readonly used: boolean;
}

const fetchMsMax = 5_000;
const secretCharactersMax = 64 * 1024;

/** Starts a fetch at the first mention of a secret, so that all run side by side; every one ends within five seconds. */
export function fetchSecrets(sources: SecretSources, fetchWithinMs: number = fetchMsMax): Fetched {
  const fetches = new Map<string, Promise<Reading<string>>>();
  let used = false;
  const fetchOnce = (source: SecretSource, scheme: string, name: string): Promise<Reading<string>> => {
    const key = `${scheme}:${name}`;
    const known = fetches.get(key);
    if (known) return known;
    const fetched = within(fetchWithinMs, (signal) => source.read(name, { signal }));
    fetches.set(key, fetched);
    return fetched;
  };
  return {
    get used() {
      return used;
    },
    resolve(reference) {
      const match = /^(aws|vault):([^#]*)(?:#(.*))?$/s.exec(reference);
      if (!match) return undefined;
      used = true;
      const scheme = match[1] as SecretScheme;
      const [, , name = '', member] = match;
      const source = sources[scheme];
      if (!source) return Promise.resolve({ message: `asks for a secret of ${scheme}, which is not possible here` });
      if (name === '') return Promise.resolve({ message: `has a \${${scheme}:} without a name` });
      if (member === '' || (member === undefined && source.membersOnly)) {
        return Promise.resolve({ message: `has a \${${scheme}:} without a member`, hint: `write \${${scheme}:${printable(name)}#member}` });
      }
      return fetchOnce(source, scheme, name).then((reading) => told(pick(reading, member), `${scheme}:${name}`));
    },
  };
}

/** The secret, or its member: a string, or a number or boolean as JSON writes it. */
function pick(reading: Reading<string>, member: string | undefined): Reading<string> {
  if (!('value' in reading)) return reading;
  if (member === undefined) return judge(reading.value);
  let parsed: unknown;
  try {
    parsed = JSON.parse(reading.value);
  } catch {
    // The parser's own message quotes what it read.
    return { message: 'is not a JSON object with members' };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return { message: 'is not a JSON object with members' };
  if (!Object.hasOwn(parsed, member)) return { message: `has no member ${printable(member)}` };
  const value = (parsed as Record<string, unknown>)[member];
  if (typeof value === 'string') return judge(value);
  if (typeof value === 'number' || typeof value === 'boolean') return { value: String(value) };
  return { message: `has a member ${printable(member)} that is not a string` };
}

function judge(value: string): Reading<string> {
  if (value === '') return { message: 'is empty' };
  return value.length > secretCharactersMax ? { message: `has more than ${secretCharactersMax / 1024} Ki characters` } : { value };
}

function told(reading: Reading<string>, name: string): Reading<string> {
  return 'value' in reading ? reading : { ...reading, message: `needs the secret ${printable(name)}, which ${reading.message}` };
}

/** A source that does not heed the signal, or throws what it promised not to, must not hold up or break a start. */
async function within(ms: number, read: (signal: AbortSignal) => Promise<Reading<string>>): Promise<Reading<string>> {
  const late: Reading<string> = { message: `was not there within ${ms / 1000} s` };
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<Reading<string>>((resolve) => {
    timer = setTimeout(() => {
      resolve(late);
      ended.abort();
    }, ms);
  });
  try {
    return await Promise.race([deadline, read(ended.signal).catch((): Reading<string> => ({ message: 'cannot be read' }))]);
  } finally {
    clearTimeout(timer);
  }
}

function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?').slice(0, 200);
}

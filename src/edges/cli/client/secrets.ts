import { redact } from '../../../domain/redact.ts';

/** A text of a client's file, with what is secret in it taken out. */
export interface Parted {
  /** What the configuration says in its place. */
  readonly text: string;
  readonly secret?: string;
}

const telling = /key|token|secret|pass|pwd|auth|credential|cookie|session|signature|dsn|private/i;
/** Values of an environment that can be no secret: switches, numbers, single words, plain paths and addresses. */
const harmless = /^(?:[a-z]{1,12}|true|false|[0-9]{1,6}|\.{0,2}(?:\/[\w. -]+)+\/?|https?:\/\/[\w.-]+(?::[0-9]+)?(?:\/[\w./-]*)?)$/i;

/** References of clients: braces, and Gemini's bare names. */
const reference = /\$\{|^\$[A-Za-z_][A-Za-z0-9_]*$/;
/** A run of characters that no name of a place has: some services put the key into the path. */
const random = /[A-Za-z0-9_-]{20,}/;

/** An address that could hold a key in its path is one. */
export function partUrl(url: string, refer: () => string): Parted {
  return reference.test(url) || !random.test(new URL(url).pathname) ? { text: url } : { text: refer(), secret: url };
}

/** A header's value: what follows a scheme is the secret, else all of it. One that refers to something else has none. */
export function partHeader(value: string, refer: () => string): Parted {
  if (reference.test(value)) return { text: value };
  const [, scheme, rest] = /^(Bearer|Basic|Token|ApiKey)\s+(\S.*)$/i.exec(value) ?? [];
  return { text: scheme === undefined ? refer() : `${scheme} ${refer()}`, secret: rest ?? value };
}

/** A variable's value: a secret unless its name and its look say otherwise. */
export function partVariable(name: string, value: string, refer: () => string): Parted {
  if (reference.test(value) || value === '') return { text: value };
  return !telling.test(name) && harmless.test(value) ? { text: value } : { text: refer(), secret: value };
}

/** An argument of a command: the value of an option, or of a header, whose name tells that it is a secret. */
export function partArgument(argument: string, before: string | undefined, refer: () => string): Parted {
  if (reference.test(argument)) return { text: argument };
  const [, named, rest] = /^([^=:\s]+[=:]\s*(?:Bearer\s+)?)(\S.*)$/i.exec(argument) ?? [];
  if (named !== undefined && rest !== undefined && telling.test(named)) return { text: named + refer(), secret: rest };
  const told = before?.startsWith('-') === true && telling.test(before) && !argument.startsWith('-');
  if (told || redact(argument) !== argument) return { text: refer(), secret: argument };
  const url = URL.canParse(argument) ? new URL(argument) : undefined;
  return url && (url.password !== '' || [...url.searchParams.keys()].some((name) => telling.test(name)))
    ? { text: refer(), secret: argument }
    : { text: argument };
}

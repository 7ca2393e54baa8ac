import pino, { type DestinationStream } from 'pino';
import type { Log } from '../ports/observe.ts';

/** Anything that looks like a credential, whatever it stands in: agent keys of any prefix, bearer values, JWTs. */
const secrets = /\b[a-z][a-z0-9]{0,11}_(?:live|test)_[0-9A-Za-z]{8}_[0-9A-Za-z]{40,}|\bBearer\s+\S+|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+/gi;

/** Replaces what looks like a credential in a text that came from elsewhere (an error's message, say). */
export function redact(text: string): string {
  return text.replace(secrets, '[redacted]');
}

/** JSON lines on the given destination (standard error by default). One record is one line: pino escapes what is inside. */
export function createLog(options: { level: string; destination?: DestinationStream }): Log {
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['key', 'secret', 'authorization', 'headers', '*.authorization', '*.key', '*.secret', '*.pepper'],
        censor: '[redacted]',
      },
    },
    options.destination ?? pino.destination({ fd: 2, sync: true }),
  );
  return {
    note: (message, facts) => logger.info(facts ?? {}, redact(message)),
    warn: (message, facts) => logger.warn(facts ?? {}, redact(message)),
    fault: (message, error, facts) => logger.error({ ...facts, error: describe(error) }, redact(message)),
  };
}

/** An error in words, causes included, secrets out; stacks only of what is ours. */
function describe(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { message: redact(String(error)) };
  const code = (error as { code?: unknown }).code;
  return {
    name: error.name,
    message: redact(error.message),
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.stack ? { stack: redact(error.stack) } : {}),
    ...(error.cause !== undefined && depth < 4 ? { cause: describe(error.cause, depth + 1) } : {}),
  };
}

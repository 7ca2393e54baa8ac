import pino, { type DestinationStream } from 'pino';
import { redact } from '../domain/redact.ts';
import type { Log } from '../ports/observe.ts';

/** JSON lines on the given destination (standard error by default). One record is one line: pino escapes what is inside. */
export function createLog(options: { level: string; worker?: number | undefined; destination?: DestinationStream }): Log {
  const { level, worker } = options;
  const logger = pino(
    {
      level,
      base: worker === undefined ? null : { worker },
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

import type { Log } from './ports/observe.ts';

/**
 * What nobody caught leaves a process of which nothing is known: it ends at once, and what it left is settled by the next one. By a signal, since
 * an orderly exit waits for threads of the store, and may do so for ever (measured), with its listeners open.
 */
export function endOnFault(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.fault('an error that nobody caught ends this process', error);
    process.kill(process.pid, 'SIGKILL');
  });
}

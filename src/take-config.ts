import type { Composed } from './compose.ts';
import type { Loaded } from './config/load.ts';
import type { Config } from './config/schema.ts';
import type { Log } from './ports/observe.ts';

/** What takes effect only when a process starts. */
const startedSections = ['listen', 'store', 'redis', 'scopes', 'stepUp'] as const;
const startedLimits = ['headerBytesMax', 'headersTimeoutMs', 'bodyTimeoutMs', 'connectionsMax', 'connectionsPerAddressMax'] as const;
const startedJournal = ['retainMs', 'archive'] as const;

/** The configuration that is in force, where some of it stays as the process began with it until a restart. */
export function asStarted(started: Config, now: Config): Config {
  const kept = <Whole extends object, Name extends keyof Whole>(whole: Whole, names: readonly Name[]) =>
    Object.fromEntries(names.flatMap((name) => (whole[name] === undefined ? [] : [[name, whole[name]]]))) as Pick<Whole, Name>;
  const { archive: _archive, ...journal } = now.journal;
  return {
    ...now,
    ...kept(started, startedSections),
    limits: { ...now.limits, ...kept(started.limits, startedLimits) },
    journal: { ...journal, ...kept(started.journal, startedJournal) },
  };
}

/** Puts a new configuration in force, or says why not. Both are journalled. */
export async function takeConfig(composed: Composed, { next, config, log }: { next: Loaded; config: Config; log: Log }): Promise<void> {
  const problems = next.ok
    ? await applied(composed, next.config)
    : next.problems.map(({ path, line, message }) => ({ path, line, message }));
  if (!next.ok || problems.length > 0) {
    composed.metrics.configuration('rejected');
    log.warn('the changed configuration has problems; the last good one stays in force', { problems });
    await composed.ledger.record({ kind: 'config.rejected', problems: problems.length });
    return;
  }
  for (const section of startedSections) {
    if (JSON.stringify(next.config[section]) !== JSON.stringify(config[section])) warnOfRestart(log, section);
  }
  for (const limit of startedLimits) {
    if (next.config.limits[limit] !== config.limits[limit]) warnOfRestart(log, `limits.${limit}`);
  }
  for (const member of startedJournal) {
    const setting = member === 'retainMs' ? 'retain' : member;
    if (JSON.stringify(next.config.journal[member]) !== JSON.stringify(config.journal[member])) warnOfRestart(log, `journal.${setting}`);
  }
  composed.metrics.configuration('reloaded');
  log.note('the configuration was reloaded', { upstreams: Object.keys(next.config.upstreams) });
  await composed.ledger.record({ kind: 'config.reloaded', upstreams: Object.keys(next.config.upstreams) });
}

/** What only shows once the keys and the store are looked at: nothing was applied then. */
async function applied(composed: Composed, config: Config): Promise<{ path: string; message: string }[]> {
  try {
    await composed.apply(config);
    return [];
  } catch (error) {
    return [{ path: 'keys', message: error instanceof Error ? error.message : String(error) }];
  }
}

function warnOfRestart(log: Log, setting: string): void {
  log.warn(`a change of ${setting} takes effect only after a restart`, { setting });
}

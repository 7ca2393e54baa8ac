import type { Authority } from '../../authority/authority.ts';
import type { Signing } from '../../authority/signing.ts';
import type { StepUp } from '../../authority/step-up.ts';
import type { Loaded } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import type { Calendar } from '../../domain/calendar.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import type { DryRuns } from '../dry-runs.ts';
import type { RuleBench } from './rule-bench.ts';

/** A store beside the gateways that may serve from it, and what its acts are timed, windowed and signed with. */
export interface OpenedStore {
  readonly store: Store;
  readonly clock: Clock;
  readonly calendar: Calendar;
  readonly signing: Signing;
  close(): Promise<void>;
}

/** What the command line works with; compose supplies it, tests replace it. */
export interface CliDeps {
  /** Reads and judges the configuration, conditions and scopes of its rules included. */
  readConfig(options: { configFile: string }): Promise<Loaded>;
  /**
   * Reads the configuration and opens its store.
   * @throws CommandFailure where the configuration has problems or the store cannot be opened
   */
  openAuthority(options: { configFile: string }): Promise<{ authority: Authority; stepUp: StepUp; config: Config; close(): Promise<void> }>;
  /** Reads the configuration and opens its store as a whole, to move or to check it. @throws CommandFailure as openAuthority does */
  openStore(options: { configFile: string }): Promise<OpenedStore>;
  /** Reads the configuration and opens its store, to answer questions about calls without making them. @throws CommandFailure as openAuthority does */
  openDryRuns(options: { configFile: string }): Promise<{ dryRuns: DryRuns; close(): Promise<void> }>;
  /** The rules of the configuration, without its store. @throws CommandFailure where the configuration has problems */
  openRules(options: { configFile: string }): Promise<RuleBench>;
  /**
   * Serves until told to stop; resolves to the exit code. @throws CommandFailure as openAuthority does
   * @param options.workers in place of those configured; 0 = one for each core
   */
  serve(options: { configFile: string; workers?: number }): Promise<number>;
  /** Serves a demonstration with upstreams of its own; resolves to the exit code. */
  demo(options: { configFile: string; json: boolean }): Promise<number>;
  /** Writes exactly this text to standard output. A promise resolves once more may be written. */
  out(text: string): void | Promise<void>;
  /** Writes exactly this text to standard error. */
  err(text: string): void;
  /** Standard input, for `connect`. */
  readonly input: AsyncIterable<Uint8Array | string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly version: string;
  /** Ends commands that run until stopped (`journal tail --follow`, `connect`). */
  readonly signal?: AbortSignal;
}

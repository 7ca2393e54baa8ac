import { availableParallelism } from 'node:os';
import { extname, resolve } from 'node:path';
import { checkEndpoints } from './check-endpoints.ts';
import { checkStore } from './check-store.ts';
import { checkTransports } from './check-transports.ts';
import { checkUpstreams, type TextCheck } from './check-upstreams.ts';
import { checkWorkers } from './check-workers.ts';
import { addDefaultSecrets } from './defaults.ts';
import { commandWarnings } from './find-command.ts';
import { importClient } from './import-client.ts';
import { interpolate, type Sources } from './interpolate.ts';
import { findingsOf } from './issues.ts';
import { normalise } from './normalise.ts';
import { type Parsed, parseText } from './parse.ts';
import type { Finding, Problem } from './problems.ts';
import { readText } from './read-file.ts';
import { type Config, writtenSchema } from './schema.ts';
import { fetchSecrets, type SecretSources } from './secret-source.ts';
import { type Tree, toPlain } from './tree.ts';
import { warningsOf } from './warnings.ts';
import { workersOf } from './workers.ts';

const fileBytesMax = 1024 * 1024;

export interface LoadOptions {
  /** The configuration file, absolute or relative to `cwd`: JSON or JSONC by its extension or first character, else YAML. */
  file: string;
  env: Record<string, string | undefined>;
  /** Folder that `store` and `${file:}` are relative to. */
  cwd: string;
  /** What is wrong with the source of a condition, or undefined. */
  checkCondition?: TextCheck;
  /** What is wrong with a scope, or undefined. */
  checkScope?: TextCheck;
  /** In place of the `workers` written there. */
  workers?: number | undefined;
  /** What `workers: 0` stands for; those of this machine where not given. */
  cores?: number;
  /** Where `${aws:}` and `${vault:}` come from. */
  secretSources?: SecretSources;
}

/**
 * `fetches` says that secrets came from a secret source, which tells nobody when they change. `sources` are the absolute paths of every file asked for, existing or not: the configuration
 * and each `${file:}`.
 */
export type Loaded =
  | { ok: true; config: Config; warnings: Problem[]; sources: string[]; fetches: boolean }
  | { ok: false; problems: Problem[]; sources: string[]; fetches: boolean };

/**
 * Reads, checks and completes a configuration. Bad input never throws: all problems of all kinds come back together, in the order of the file.
 * After a syntax error only what stands before it is judged further.
 */
export async function loadConfig(options: LoadOptions): Promise<Loaded> {
  const { env, cwd } = options;
  const file = resolve(cwd, options.file);
  const secrets = fetchSecrets(options.secretSources ?? {});
  const sources: Sources = { env, cwd, files: new Set([file]), secrets };
  const opened = await openConfig(file);
  if (!('tree' in opened)) return { ok: false, problems: opened.problems, sources: [file], fetches: false };
  const { parsed } = opened;
  const { tree, findings, warnings } = await prepare(opened.tree, sources);
  const result = writtenSchema.safeParse(toPlain(tree));
  const workers = workersOf(tree, { instead: options.workers, cores: options.cores ?? availableParallelism() });
  const judged = result.success ? [] : findingsOf(result.error.issues, tree);
  const later = [
    ...findings,
    ...judged,
    ...checkUpstreams(tree, options),
    ...checkTransports(tree),
    ...checkEndpoints(tree),
    ...checkStore(tree),
    ...checkWorkers(tree, workers),
  ];
  const all = [...parsed.findings, ...later.filter((finding) => isReliable(finding, parsed))];
  const files = [...sources.files];
  const fetches = secrets.used;
  if (all.length > 0 || !result.success) return { ok: false, problems: toProblems(all, parsed), sources: files, fetches };
  const config = normalise(result.data, { cwd, workers });
  const told = [...warnings, ...warningsOf(config, tree), ...(await commandWarnings(config, tree, env.PATH ?? process.env.PATH))];
  return { ok: true, config, warnings: toProblems(told, parsed), sources: files, fetches };
}

/** The parsed file, or why there is none. */
export async function openConfig(file: string): Promise<{ tree: Tree; parsed: Parsed } | { problems: Problem[] }> {
  const reading = await readText(file, fileBytesMax);
  if (!('value' in reading)) return { problems: [{ path: '', message: `the file ${reading.message}` }] };
  const parsed = parseText(reading.value, formOf(file, reading.value));
  return parsed.tree ? { tree: parsed.tree, parsed } : { problems: toProblems(parsed.findings, parsed) };
}

function formOf(file: string, text: string): 'yaml' | 'jsonc' {
  const extension = extname(file).toLowerCase();
  if (extension === '.json' || extension === '.jsonc') return 'jsonc';
  if (extension === '.yaml' || extension === '.yml') return 'yaml';
  return /^\s*(?:\{|\/\/|\/\*)/.test(text) ? 'jsonc' : 'yaml';
}

/** A client's file to our own form, then values from outside, then secrets that were not named. */
async function prepare(root: Tree, sources: Sources): Promise<{ tree: Tree; findings: Finding[]; warnings: Finding[] }> {
  if (root.kind !== 'members') return { tree: root, findings: [], warnings: [] };
  const imported = importClient(root);
  const filled = await interpolate(imported.tree, sources);
  const findings = [...imported.findings, ...filled.findings];
  if (filled.tree.kind !== 'members') return { tree: filled.tree, findings, warnings: imported.warnings };
  const completed = await addDefaultSecrets(filled.tree, sources);
  return { tree: completed.tree, findings: [...findings, ...completed.findings], warnings: imported.warnings };
}

function isReliable(finding: Finding, { brokenFrom }: Parsed): boolean {
  if (brokenFrom === undefined) return true;
  return finding.offset !== undefined && finding.offset < brokenFrom && finding.absent !== true;
}

/** In the order of the file; what has no place in it comes last. */
export function toProblems(findings: readonly Finding[], { position }: Parsed): Problem[] {
  const ordered = findings.toSorted((a, b) => (a.offset ?? Number.MAX_SAFE_INTEGER) - (b.offset ?? Number.MAX_SAFE_INTEGER));
  return ordered.map(({ path, offset, message, hint }) => ({
    path,
    ...(offset !== undefined && position(offset)),
    message,
    ...(hint !== undefined && { hint }),
  }));
}

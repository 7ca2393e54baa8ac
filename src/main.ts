#!/usr/bin/env node
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { openDryRuns, openRules } from './compose-dry-runs.ts';
import { openAuthority, openLog, openWholeStore, readConfig } from './compose-store.ts';
import { runDemo } from './demo.ts';
import { runCli } from './edges/cli/program.ts';
import { serveUntilStopped } from './serve.ts';
import { serveAsWorker } from './serve-as-worker.ts';

/** The process: arguments in, exit code out. Everything it does is a command of the command line. */
const { env } = process;
const cwd = process.cwd();
const version = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version;
const log = openLog(env['KEYGATE_LOG'] ?? 'info', cluster.worker?.id);

process.exitCode = await runCli(
  {
    readConfig: ({ configFile }) => readConfig({ configFile, env, cwd }),
    openAuthority: ({ configFile }) => openAuthority({ configFile, env, cwd }),
    openStore: ({ configFile }) => openWholeStore({ configFile, env, cwd }),
    openDryRuns: ({ configFile }) => openDryRuns({ configFile, env, cwd }),
    openRules: ({ configFile }) => openRules({ configFile, env, cwd }),
    serve: ({ configFile, workers }) =>
      cluster.isWorker ? serveAsWorker({ log, version }) : serveUntilStopped({ configFile, workers, env, cwd, log, version }),
    demo: ({ configFile, json }) => runDemo({ configFile, env, cwd, log, version, json, out: writeOut }),
    out: writeOut,
    err: (text) => void process.stderr.write(text),
    input: process.stdin,
    env,
    cwd,
    version,
  },
  process.argv.slice(2),
);

function writeOut(text: string): Promise<void> | undefined {
  if (process.stdout.write(text)) return undefined;
  return new Promise((resolve) => process.stdout.once('drain', () => resolve()));
}

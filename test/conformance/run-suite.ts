import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** One judgement of the suite. The same id may come several times in one scenario. */
export interface Check {
  readonly scenario: string;
  readonly id: string;
  readonly status: string;
  readonly problem?: string;
}

/** What is run: a version of the public suite with the options that choose its scenarios. */
export interface Suite {
  readonly name: string;
  readonly package: 'conformance-2025' | '@modelcontextprotocol/conformance';
  readonly options: readonly string[];
}

/** Both published lines of the suite. The older one knows sessions only; what it holds back as pending is run too. */
export const suites: readonly Suite[] = [
  { name: '2025-11-25, suite 0.1', package: 'conformance-2025', options: ['--suite', 'all'] },
  { name: '2025-11-25, suite 0.2', package: '@modelcontextprotocol/conformance', options: ['--requirements', '2025-11-25'] },
  { name: '2026-07-28, suite 0.2', package: '@modelcontextprotocol/conformance', options: ['--requirements', '2026-07-28'] },
];

const suiteMsMax = 150_000;
const outputBytesMax = 64 * 1024 * 1024;

/** Runs every server scenario of a suite against one URL, and reads what it wrote. Rejects where it did not come to its end. */
export async function runSuite({ package: name, options }: Suite, url: string): Promise<Check[]> {
  const entry = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'dist/index.js');
  const folder = await mkdtemp(join(tmpdir(), 'keygate-conformance-'));
  try {
    const output = await runToEnd([entry, 'server', '--url', url, ...options, '-o', folder]);
    const checks: Check[] = [];
    for (const run of (await readdir(folder)).sort()) {
      const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(run)?.[1];
      if (scenario === undefined) throw new Error(`no scenario has the name ${run}`);
      const found = JSON.parse(await readFile(join(folder, run, 'checks.json'), 'utf8')) as Written[];
      checks.push(...found.map((check) => ({ scenario, ...taken(check) })));
    }
    if (checks.length === 0) throw new Error(`the suite judged nothing:\n${output}`);
    return checks;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Written {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

function taken({ id, status, errorMessage }: Written): Omit<Check, 'scenario'> {
  return { id, status, ...(errorMessage !== undefined && { problem: errorMessage }) };
}

/** The suite ends with 1 where a check failed; that is for the caller to judge. */
function runToEnd(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: suiteMsMax, maxBuffer: outputBytesMax }, (failure, stdout, stderr) => {
      if (failure !== null && failure.code !== 1) reject(new Error(`the suite did not end by itself: ${failure.message}\n${stderr}`));
      else resolve(`${stdout}\n${stderr}`);
    });
  });
}

/** `scenario / id / status` with how often it came: what two runs are compared by. */
export function tally(checks: readonly Check[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { scenario, id, status } of checks) {
    const line = `${scenario} / ${id} / ${status}`;
    counts[line] = (counts[line] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).sort(([one], [other]) => (one < other ? -1 : 1)));
}

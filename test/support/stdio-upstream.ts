import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./stdio-server.ts', import.meta.url));

/** The server of stdio-server.ts as an upstream in configuration form. */
export function stdioUpstream(
  stdio: Record<string, unknown> = {},
  { options = [], ...more }: { options?: readonly string[] } & Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    command: process.execPath,
    args: [program, ...options],
    stdio: { stopGraceMs: 200, ...stdio },
    tools: [{ match: '*', scope: 'read:up', price: '0.01' }],
    resources: [{ match: '**', scope: 'read:up' }],
    prompts: [{ match: '*', scope: 'read:up' }],
    ...more,
  };
}

/** True while a process with this id is there, and is not one that has ended and waits to be taken note of. */
export function isAlive(pid: number): boolean {
  try {
    // The state stands behind the name, which may hold anything (proc(5)).
    const [, state] = /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

/** Resolves once none of these processes is there. */
export async function untilGone(pids: readonly number[], msMax = 5_000): Promise<void> {
  const deadline = performance.now() + msMax;
  while (pids.some(isAlive)) {
    if (performance.now() > deadline) throw new Error(`still there after ${msMax} ms: ${pids.filter(isAlive).join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a tool of that server answered, read from its one text. */
export function textOf(answer: unknown): unknown {
  const { content } = answer as { content: { text: string }[] };
  return JSON.parse(content[0]?.text ?? 'null');
}

import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

/**
 * `node tee-stdio.ts LOG COMMAND ARGS…`: runs a stdio server and appends what it is sent to a file, so that a test sees what reached a server that
 * keygate started itself. Ends with its child.
 */
const [log = '', command = '', ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['pipe', 'inherit', 'inherit'] });
process.stdin.on('data', (chunk: Buffer) => {
  appendFileSync(log, chunk);
  child.stdin.write(chunk);
});
process.stdin.once('end', () => child.stdin.end());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));

import { parseArgs } from 'node:util';
import { startDemoServer } from './server.ts';

const usage = `Usage: node examples/demo-server/main.ts --port 8090 --token <token>
       PORT=8090 DEMO_TOKEN=<token> node examples/demo-server/main.ts
`;

const options = readOptions();
if (options === undefined) {
  process.stderr.write(usage);
  process.exit(2);
}

try {
  const server = await startDemoServer(options);
  process.stdout.write(`demo notes server listening on ${server.url}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
} catch (problem) {
  process.stderr.write(`cannot listen on port ${options.port}: ${problem instanceof Error ? problem.message : String(problem)}\n`);
  process.exitCode = 1;
}

/** Flags win over the environment. Without a token there is no server: an open one would be a bad example. */
function readOptions(): { port: number; token: string } | undefined {
  try {
    const { values } = parseArgs({ options: { port: { type: 'string' }, token: { type: 'string' } } });
    const port = Number(values.port ?? process.env.PORT ?? '8090');
    const token = values.token ?? process.env.DEMO_TOKEN ?? '';
    return Number.isInteger(port) && port >= 0 && port <= 65_535 && token !== '' ? { port, token } : undefined;
  } catch {
    return undefined;
  }
}

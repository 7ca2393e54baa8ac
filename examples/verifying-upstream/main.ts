import { parseArgs } from 'node:util';
import { startVerifyingUpstream } from './server.ts';

const { values } = parseArgs({ options: { port: { type: 'string' }, gateway: { type: 'string' } } });
const port = Number(values.port ?? '8095');
const gateway = values.gateway ?? 'http://127.0.0.1:8080';

try {
  const server = await startVerifyingUpstream({ port, issuer: gateway, jwksUrl: `${gateway}/.well-known/jwks.json` });
  process.stdout.write(`verifying upstream listening on ${server.url}, trusting ${gateway}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
} catch (problem) {
  process.stderr.write(`cannot listen on port ${port}: ${problem instanceof Error ? problem.message : String(problem)}\n`);
  process.exitCode = 1;
}

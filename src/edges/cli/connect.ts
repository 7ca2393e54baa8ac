import type { Command } from 'commander';
import { runBridge } from './bridge.ts';
import { CommandFailure } from './failure.ts';
import { plain } from './print.ts';
import type { Registrar, Shell } from './shell.ts';

export function addConnect(program: Command, registrar: Registrar): void {
  program
    .command('connect')
    .description('a stdio MCP server that passes everything on to a gateway; the key comes from AGENT_API_KEY or AGENT_TOKEN')
    .argument('<url>', 'the endpoint, such as https://gateway.example/mcp/wiki')
    .action(
      registrar.run(async (shell, given: string) => {
        const url = endpointOf(given);
        const key = keyOf(shell);
        if (url.protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(url.hostname)) {
          shell.deps.err('warning: the key travels unencrypted; use https outside this machine\n');
        }
        const { input, out, err, signal } = shell.deps;
        await runBridge({
          url,
          key,
          input,
          out,
          tell: (text) => err(`keygate connect: ${plain(text)}\n`),
          ...(signal === undefined ? {} : { signal }),
        });
        return 0;
      }),
    );
}

function endpointOf(given: string): URL {
  const usage = (message: string): CommandFailure => new CommandFailure('USAGE', message, { exitCode: 2 });
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw usage('the endpoint must be an http or https URL');
  // Addresses end up in process lists, histories and logs (I5).
  if (url.username !== '' || url.password !== '') throw usage('the endpoint must not carry a user name or password');
  return url;
}

function keyOf(shell: Shell): string {
  const { env } = shell.deps;
  const key = (env.AGENT_API_KEY || env.AGENT_TOKEN || '').trim();
  if (key === '') throw new CommandFailure('KEY_MISSING', 'set AGENT_API_KEY (or AGENT_TOKEN) to an agent key', { exitCode: 2 });
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new CommandFailure('KEY_MALFORMED', 'AGENT_API_KEY holds characters that no key has', { exitCode: 2 });
  return key;
}

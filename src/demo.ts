import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialise } from './authority/init.ts';
import { authorityOf, openAuthority } from './compose-store.ts';
import { secretFiles } from './config/secret-files.ts';
import { configFailure } from './edges/cli/failure.ts';
import { demoKeys } from './edges/demo/demo-keys.ts';
import { demoText } from './edges/demo/demo-text.ts';
import { type DemoUpstream, startDemoUpstream } from './edges/demo/demo-upstream.ts';
import { type RunningGateway, type ServeOptions, startGateway, untilStopped } from './serve.ts';

/**
 * The whole thing at once: the bundled MCP server, keygate on the embedded store in front of it, keys, and commands to
 * copy. A second run reuses the secrets, the store and the keys that are there. Resolves to the exit code.
 */
export async function runDemo(given: ServeOptions & { json: boolean; out: (text: string) => void }): Promise<number> {
  // To look at, one process is enough.
  const options = { ...given, workers: 1 };
  const { configFile, env, cwd, log } = options;
  const { problems, ...paths } = await secretFiles({ file: configFile, env, cwd });
  if (problems.length > 0) throw configFailure(configFile, problems, cwd);
  const made = await initialise({ paths, random: randomBytes, open: () => openAuthority(options) });
  let gateway: RunningGateway | undefined;
  let upstream: DemoUpstream | undefined;
  // Before anything is started, so that a signal meanwhile ends what was started and nothing is left behind.
  const stopped = untilStopped(
    () => void gateway?.reload().catch((error) => log.fault('a reload failed', error)),
    () => Promise.all([gateway?.composed.letGo(), upstream?.close()]),
  );
  gateway = await startGateway(options);
  const { config, composed } = gateway;
  const { store, upstreams } = config;
  try {
    upstream = await startDemoUpstream({ main: demoServerMain(), url: upstreams['demo']?.url, token: demoToken(env), log });
    const keys = await demoKeys({
      authority: authorityOf(config, composed.store),
      folder: store.kind === 'folder' ? store.folder : join(cwd, 'var'),
    });
    options.out(demoText({ gateway, keys, operatorKey: made.operator?.key, json: options.json }));
    await stopped;
  } finally {
    await gateway.drain();
    await upstream?.close();
  }
  return 0;
}

/** The same default as config/keygate.yaml. */
function demoToken(env: ServeOptions['env']): string {
  return env['DEMO_TOKEN'] || 'demo-backend-credential';
}

function demoServerMain(): string {
  const main = fileURLToPath(new URL('../examples/demo-server/main.ts', import.meta.url));
  if (existsSync(main)) return main;
  throw new Error('the demo server is not part of this installation; run the demo from a checkout of the repository');
}

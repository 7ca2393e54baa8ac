import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../test/support/ports.ts';
import { startProcess } from '../test/support/process.ts';

const run = promisify(execFile);
const installMsMax = 180_000;
/** Debian's lies where only root's PATH leads. */
const debians = '/usr/sbin/nginx';
const program = process.env['KEYGATE_NGINX'] ?? (existsSync(debians) ? debians : 'nginx');

/** An nginx of its own: one worker in one process, as a reverse proxy at `/plain`, and at `/keyed` for those that show the key. */
export interface Nginx {
  readonly url: string;
  readonly pid: number;
  /** As it says it. */
  readonly version: string;
  close(): Promise<void>;
}

/** Debian's nginx is installed where there is none and this user may do so. @returns why there is none, else undefined */
export async function requireNginx(): Promise<string | undefined> {
  if (await present()) return undefined;
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const apt = async (...args: string[]) => {
    const [command = '', ...rest] = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', ...args];
    await run(command, rest, { timeout: installMsMax });
  };
  // The run level keeps the package from starting a server of its own.
  const install = ['install', '-y', '--no-install-recommends', 'nginx-light'];
  try {
    await apt(...install).catch(async () => {
      await apt('update');
      await apt(...install);
    });
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n');
    return `there is no nginx, and it cannot be installed here: ${reason}`;
  }
  return (await present()) ? undefined : 'there is no nginx, not even after it was installed';
}

/** @param options.upstream the URL that every request is sent to; @param options.key the key that `/keyed` wants */
export async function startNginx(options: { upstream: string; key: string }): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-nginx-'));
  const port = await freePort();
  await mkdir(join(folder, 'temp'));
  await writeFile(join(folder, 'nginx.conf'), configuration({ ...options, folder, port }));
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  // It listens before it says which system it runs on.
  const child = await startProcess(program, args, { ready: /OS: / });
  const { stderr } = await run(program, ['-v']);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    version: stderr.trim().replace('nginx version: ', ''),
    async close() {
      child.kill('SIGKILL');
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One process: a worker of a master that is killed would outlive it. */
function configuration({ folder, port, upstream, key }: { folder: string; port: number; upstream: string; key: string }): string {
  const { host, pathname } = new URL(upstream);
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/temp/${name};`);
  const pass = `proxy_pass http://up${pathname}; proxy_http_version 1.1; proxy_set_header Connection "";`;
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
${temp.join('\n')}
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 8m;
  upstream up { server ${host}; keepalive 256; keepalive_requests 1000000000; }
  map_hash_bucket_size 256;
  map $http_authorization $known { default 0; "Bearer ${key}" 1; }
  server {
    listen 127.0.0.1:${port};
    location = /plain { ${pass} }
    location = /keyed { if ($known = 0) { return 401; } ${pass} }
  }
}
`;
}

async function present(): Promise<boolean> {
  return await run(program, ['-v']).then(
    () => true,
    () => false,
  );
}

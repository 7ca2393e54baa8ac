import { createRequire } from 'node:module';
import { join } from 'node:path';
import { startProcess } from './process.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { startRecordingPassthrough } from './recording-passthrough.ts';
import type { RecordingServer } from './recording-server.ts';

export interface EverythingServer {
  /** What a client connects to: through the recording pass-through, so that `requests` sees everything. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly requests: RecordedRequest[];
  readonly received: RecordingServer['received'];
  /** The same server without the pass-through. */
  readonly directUrl: string;
  /** Ends the process by its id and waits until it is gone. */
  close(): Promise<void>;
}

const paths = { streamableHttp: '/mcp', sse: '/sse' };

/** Runs the reference server of the MCP project (sessions only, protocol 2025-11-25) on a free port of 127.0.0.1. */
export async function startEverythingServer(mode: 'streamableHttp' | 'sse' = 'streamableHttp'): Promise<EverythingServer> {
  const entry = join(createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json'), '../dist/index.js');
  const loopback = new URL('./loopback.mjs', import.meta.url).href;
  const started = await startProcess(process.execPath, ['--import', loopback, entry, mode], {
    env: { PORT: '0' },
    ready: /loopback: listening on port \d+/,
  });
  const [, found] = await started.printed(/loopback: listening on port (\d+)/);
  const front = await startRecordingPassthrough(Number(found));

  return {
    url: `http://127.0.0.1:${front.port}${paths[mode]}`,
    port: front.port,
    pid: started.pid,
    requests: front.requests,
    received: front.received,
    directUrl: `http://127.0.0.1:${found}${paths[mode]}`,
    async close() {
      await front.close();
      started.kill('SIGKILL');
      await started.exited;
    },
  };
}

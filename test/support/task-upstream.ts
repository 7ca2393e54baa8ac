import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type RecordedRequest, rpcId, rpcMethod } from './recorded-request.ts';
import { type Respond, sendEvent, sendJson } from './recording-upstream.ts';

/** A task as the stub keeps it: for everybody, as careless servers do. */
interface KeptTask {
  taskId: string;
  status: string;
  tool: string;
}

export interface TaskUpstream {
  readonly respond: Respond;
  /** Ids of the tasks there are, oldest first. */
  ids(): string[];
  /** The id of the n-th task, beginning with 1. */
  idOf(n: number): string;
  set(taskId: string, status: string): void;
}

const times = { createdAt: '2026-11-30T00:00:00Z', lastUpdatedAt: '2026-11-30T00:00:00Z' };

/**
 * Answers tools/call with a task, and tasks/* about it: in the form of 2025-11-25, or, for requests that name 2026-07-28, in that of the extension.
 * Everything else is answered as the stub would.
 * @param options.run  what ids begin with; a store remembers them beyond one test
 */
export function createTaskUpstream({
  answer = 'json',
  ttl = 60_000,
  run = randomUUID(),
}: {
  answer?: 'json' | 'sse';
  ttl?: number | null;
  run?: string;
} = {}): TaskUpstream {
  const tasks = new Map<string, KeptTask>();
  let made = 0;

  const stated = ({ taskId, status }: KeptTask, modern: boolean) => ({ taskId, status, ...times, ...(modern ? { ttlMs: ttl } : { ttl }) });

  const resultOf = (request: RecordedRequest): object | undefined => {
    const { params = {} } = request.message as { params?: Record<string, unknown> };
    const modern = request.headers['mcp-protocol-version'] === '2026-07-28';
    const method = rpcMethod(request);
    if (method === 'tasks/list') return { tasks: [...tasks.values()].map((task) => stated(task, modern)), nextCursor: 'more' };
    if (method === 'tools/call' && (modern || params.task !== undefined)) {
      made += 1;
      const task = { taskId: `task-${run}-${made}`, status: 'working', tool: String(params.name) };
      tasks.set(task.taskId, task);
      return modern ? { resultType: 'task', ...stated(task, modern) } : { task: stated(task, modern) };
    }
    if (!method?.startsWith('tasks/')) return undefined;
    const task = tasks.get(String(params.taskId));
    if (!task) return undefined;
    if (method === 'tasks/cancel') task.status = 'cancelled';
    if (modern && method !== 'tasks/get') return { resultType: 'complete' };
    const content = [{ type: 'text', text: `result of ${task.tool}` }];
    if (method === 'tasks/result') return { content, _meta: { 'io.modelcontextprotocol/related-task': { taskId: task.taskId } } };
    const done = modern && task.status === 'completed' ? { result: { content, isError: false } } : {};
    return { ...(modern && { resultType: 'complete' }), ...stated(task, modern), ...done };
  };

  return {
    async respond(request, response: ServerResponse, ordinary) {
      const method = request.method === 'POST' ? rpcMethod(request) : undefined;
      const result = method === undefined ? undefined : resultOf(request);
      if (result === undefined && !method?.startsWith('tasks/')) return ordinary();
      const outcome = result === undefined ? { error: { code: -32602, message: 'Task not found' } } : { result };
      const message = { jsonrpc: '2.0', id: rpcId(request), ...outcome };
      return void (answer === 'sse' ? sendEvent(response, message) : sendJson(response, message));
    },
    ids: () => [...tasks.keys()],
    idOf: (n) => `task-${run}-${n}`,
    set(taskId, status) {
      const task = tasks.get(taskId);
      if (task) task.status = status;
    },
  };
}

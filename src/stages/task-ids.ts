import { createHash } from 'node:crypto';
import { Denial } from '../domain/denial.ts';
import type { RequestMessage } from '../domain/message.ts';
import type { Era } from '../domain/method.ts';
import type { Seal } from '../domain/seal.ts';
import { boundTo } from './bound-to.ts';
import type { Located } from './reached.ts';

/** Where a task is known: whose it is, at which path, of which upstream. */
export type TaskPlace = Pick<Located, 'caller' | 'endpoint' | 'upstream'>;

/** Longest task id of an upstream's, in bytes of its UTF-8: sealed it must fit into a header (Mcp-Name). */
const taskIdBytesMax = 1_024;

/**
 * The upstream's task id as this key may know it. A task outlives its session, so the id is bound to none. One task has one id, wherever it is
 * named, until the sealing secret is rotated. @throws Denial UPSTREAM_FAILED where it can be no id
 */
export function sealTask({ seal }: { seal: Seal }, place: TaskPlace, own: string): string {
  if (Buffer.byteLength(own) > taskIdBytesMax || !own.isWellFormed()) {
    throw new Denial('UPSTREAM_FAILED', { detail: `The upstream's task id is longer than ${taskIdBytesMax} bytes, or no text.` });
  }
  return seal.seal({ purpose: 'task', bound: boundTo(place), plain: own });
}

/** The upstream's own id, or undefined where this key, path and upstream know of no such task. */
export function openTask({ seal }: { seal: Seal }, place: TaskPlace, sealed: string): string | undefined {
  return seal.open({ purpose: 'task', bound: boundTo(place), sealed });
}

/**
 * The refusal of a request about a task that does not open. In 2026-07-28 a client that never said that it knows tasks, and names one that
 * nobody here was ever given, is told of the capability, as servers do (tasks extension, capability negotiation).
 */
export function unknownTask(message: RequestMessage, era: Era): Denial {
  const known = era !== 'stateless' || declaresTasks(message) || couldBeSealed.test(message.params.taskId ?? '');
  if (known) return new Denial('TASK_NOT_FOUND');
  return new Denial('CAPABILITY_MISSING', { facts: { requiredCapabilities: { extensions: { [tasksExtension]: {} } } } });
}

/** As long as the shortest sealed text is. */
const couldBeSealed = /^[A-Za-z0-9_-]{38,}$/;
const tasksExtension = 'io.modelcontextprotocol/tasks';

function declaresTasks({ bytes }: RequestMessage): boolean {
  const { params } = JSON.parse(bytes.toString('utf8')) as { params?: { _meta?: Record<string, { extensions?: object } | undefined> } };
  return tasksExtension in (params?._meta?.['io.modelcontextprotocol/clientCapabilities']?.extensions ?? {});
}

/** What the store remembers of a task that this key created. */
export function taskMark(place: TaskPlace, own: string): string {
  const hash = createHash('sha256').update(JSON.stringify([...boundTo(place), own]));
  return `task:${hash.digest('hex')}`;
}

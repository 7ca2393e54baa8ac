import type { Finding } from './problems.ts';
import { upstreamLimitsSchema } from './schema-health.ts';
import { type Limits, limitsSchema } from './schema-limits.ts';
import { sharedLimits, sharedUpstreamLimits } from './share.ts';
import { child, find, leafText, type Tree, toPlain } from './tree.ts';

/**
 * What cannot be kept where several processes serve: the sessions of some transports live in the process that began them, and half of a client's
 * requests would not find theirs; and a limit below the number of those that share it. It walks the tree, as checkUpstreams() does.
 */
export function checkWorkers(tree: Tree, workers: number): Finding[] {
  if (workers === 1) return [];
  const upstreams = child(tree, 'upstreams');
  const ofUpstreams = [...(upstreams?.kind === 'members' ? upstreams.members.values() : [])].flatMap((upstream) =>
    upstream.kind === 'members' ? [...checkTransport(upstream, workers), ...checkUpstreamLimits(upstream, workers)] : [],
  );
  return [...ofUpstreams, ...checkLimits(tree, workers)];
}

function checkTransport(upstream: Tree, workers: number): Finding[] {
  const command = child(upstream, 'command');
  if (command) {
    const message = `starts a server for one process, and ${workers} workers would each have one of their own`;
    return [{ ...command.at, message, hint: 'set workers: 1, or start the server with Streamable HTTP and give its url' }];
  }
  if (leafText(upstream, 'transport') !== 'sse') return [];
  const message = `has its sessions in one process, and there are ${workers} workers`;
  return [{ ...find(upstream, ['transport']).place, message, hint: 'set workers: 1, or use transport: http where the server has it' }];
}

function checkLimits(tree: Tree, workers: number): Finding[] {
  const written = child(tree, 'limits');
  const read = limitsSchema.safeParse(written ? toPlain(written) : {});
  if (!read.success) return [];
  const limits: Limits = read.data;
  const findings = sharedLimits.filter((name) => limits[name] < workers).map((name) => tooSmall(tree, ['limits', name], workers));
  if (Math.floor(limits.bodiesBytesMax / workers) < limits.bodyBytesMax) {
    const message = `leaves each of ${workers} workers less than one body of limits.bodyBytesMax`;
    findings.push({ ...find(tree, ['limits', 'bodiesBytesMax']).place, message, hint: 'raise it, or have fewer workers' });
  }
  return findings;
}

function checkUpstreamLimits(upstream: Tree, workers: number): Finding[] {
  const written = child(upstream, 'limits');
  const read = upstreamLimitsSchema.safeParse(written ? toPlain(written) : {});
  if (!read.success) return [];
  // What is not written follows from what is.
  const judged = sharedUpstreamLimits.filter((name) => name === 'concurrencyMax' || !find(upstream, ['limits', name]).missing);
  return judged.filter((name) => read.data[name] < workers).map((name) => tooSmall(upstream, ['limits', name], workers));
}

function tooSmall(tree: Tree, path: readonly string[], workers: number): Finding {
  const hint = `at least ${workers}, or fewer workers`;
  return { ...find(tree, path).place, message: `is less than the number of workers, ${workers}, and each has its share of it`, hint };
}

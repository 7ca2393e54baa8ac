import type { Finding } from './problems.ts';
import { readStore } from './store.ts';
import { child, leafText, type Tree } from './tree.ts';

/**
 * Settings that say nothing with the store that is configured: accepting one would promise what is not done (I6). It walks the tree, as
 * checkUpstreams() does, so that a problem elsewhere does not hide these.
 */
export function checkStore(tree: Tree): Finding[] {
  const kind = storeKind(tree);
  if (kind === 'redis') return ofRedis(child(tree, 'redis'));
  return kind === 'folder' ? [...sharedOnly(tree), ...leases(tree)] : [];
}

/** Undefined where what is written is no store: that is a problem already. */
function storeKind(tree: Tree): 'folder' | 'redis' | undefined {
  const node = child(tree, 'store');
  if (!node) return 'folder';
  if (node.kind !== 'leaf' || node.broken) return undefined;
  const reading = readStore(leafText(tree, 'store') ?? '');
  return 'value' in reading ? reading.value.kind : undefined;
}

function ofRedis(redis: Tree | undefined): Finding[] {
  const replicas = redis && child(redis, 'replicas');
  const durability = redis && child(redis, 'durability');
  if (!replicas || (durability?.kind === 'leaf' && durability.value === 'replicated')) return [];
  return [{ ...replicas.at, message: 'says nothing without durability: replicated', hint: 'set that too, or remove this' }];
}

function sharedOnly(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const redis = child(tree, 'redis');
  if (redis?.kind === 'members') {
    findings.push({ ...redis.at, message: 'says nothing without a Redis store', hint: 'set store to a redis:// URL, or remove this' });
  }
  const journal = child(tree, 'journal');
  const archive = journal && child(journal, 'archive');
  if (archive?.kind === 'leaf' && !archive.broken && typeof archive.value === 'string') {
    findings.push({
      ...archive.at,
      message: 'says nothing without a Redis store',
      hint: 'the embedded store keeps the journal in its own folder',
    });
  }
  return findings;
}

function leases(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const upstreams = child(tree, 'upstreams');
  for (const upstream of upstreams?.kind === 'members' ? upstreams.members.values() : []) {
    const rules = child(upstream, 'tools');
    for (const rule of rules?.kind === 'list' ? rules.items : []) {
      const lease = child(rule, 'lease');
      if (lease?.kind === 'members') {
        findings.push({
          ...lease.at,
          message: 'says nothing without a Redis store',
          hint: 'the embedded store is as fast without; remove this',
        });
      }
    }
  }
  return findings;
}

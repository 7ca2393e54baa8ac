import { nameFault } from './name-fault.ts';
import type { Finding } from './problems.ts';
import { child, type Leaf, type Tree } from './tree.ts';

/** Judges a text that this folder only carries; returns what is wrong with it, or undefined. */
export type TextCheck = (source: string) => string | undefined;

interface UpstreamChecks {
  readonly checkCondition?: TextCheck;
  readonly checkScope?: TextCheck;
}

/**
 * Judges every upstream's name, and by the given checks every `when` and `scope` of an interpolated tree. It walks the tree rather than the finished configuration, so that a
 * problem elsewhere does not hide these and each is reported where it was written.
 */
export function checkUpstreams(tree: Tree, { checkCondition, checkScope }: UpstreamChecks): Finding[] {
  const findings: Finding[] = [];
  const judge = (leaf: Tree | undefined, check: TextCheck | undefined): void => {
    if (leaf?.kind === 'list') for (const item of leaf.items) judge(item, check);
    if (!check || !isText(leaf)) return;
    const message = check(leaf.value);
    if (message !== undefined) findings.push({ ...leaf.at, message });
  };
  const upstreams = child(tree, 'upstreams');
  for (const [name, upstream] of upstreams?.kind === 'members' ? upstreams.members : []) {
    const fault = nameFault(name, 'upstream');
    if (fault) findings.push({ ...upstream.at, ...fault });
    for (const section of ['tools', 'resources', 'prompts', 'methods', 'passthrough']) {
      const rules = child(upstream, section);
      for (const rule of rules?.kind === 'list' ? rules.items : []) {
        judge(child(rule, 'scope'), checkScope);
        judge(child(rule, 'when'), checkCondition);
      }
    }
  }
  return findings;
}

function isText(node: Tree | undefined): node is Leaf & { value: string } {
  // Empty and broken texts have been reported by then.
  return node?.kind === 'leaf' && !node.broken && typeof node.value === 'string' && node.value.trim() !== '';
}

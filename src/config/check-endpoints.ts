import { nameFault } from './name-fault.ts';
import { closest, type Finding } from './problems.ts';
import { child, type Tree } from './tree.ts';

/**
 * Judges the names under `agents` and `bots`, and the upstreams they name. It walks the tree, as checkUpstreams() does, so that a problem
 * elsewhere does not hide these. Upstreams, agents and bots share one namespace, since each is a path `/mcp/<name>`.
 */
export function checkEndpoints(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const upstreams = [...membersOf(child(tree, 'upstreams')).keys()];
  const taken = new Map(upstreams.map((name) => [name, 'an upstream']));
  for (const { section, one, kind } of sections) {
    for (const [name, endpoint] of membersOf(child(tree, section))) {
      const fault = nameFault(name, kind);
      if (fault) findings.push({ ...endpoint.at, ...fault });
      const owner = taken.get(name);
      if (owner !== undefined) {
        findings.push({
          ...endpoint.at,
          message: `has a name that ${owner} has already`,
          hint: 'rename one of the two: they share /mcp/<name>',
        });
      }
      taken.set(name, one);
      findings.push(...ofUpstreams(child(endpoint, 'upstreams'), upstreams));
    }
  }
  return findings;
}

const sections = [
  { section: 'agents', one: 'an agent', kind: 'agent' },
  { section: 'bots', one: 'a bot', kind: 'bot' },
] as const;

function ofUpstreams(list: Tree | undefined, upstreams: readonly string[]): Finding[] {
  if (list?.kind !== 'list') return [];
  const findings: Finding[] = [];
  const named = new Set<string>();
  for (const item of list.items) {
    // What is no text has been reported by the schema.
    if (item.kind !== 'leaf' || item.broken || typeof item.value !== 'string') continue;
    if (named.has(item.value)) findings.push({ ...item.at, message: 'is named twice', hint: 'name each upstream once' });
    named.add(item.value);
    if (upstreams.includes(item.value)) continue;
    const near = closest(item.value, upstreams);
    findings.push({ ...item.at, message: 'is not the name of an upstream', ...(near !== undefined && { hint: `did you mean ${near}?` }) });
  }
  return findings;
}

function membersOf(node: Tree | undefined): ReadonlyMap<string, Tree> {
  return node?.kind === 'members' ? node.members : new Map();
}

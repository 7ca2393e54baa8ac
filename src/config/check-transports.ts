import type { Finding } from './problems.ts';
import { child, find, leafText, type Tree } from './tree.ts';

const commandMembers = ['args', 'env', 'cwd', 'stdio'];

/**
 * Judges whether each upstream says how it is reached, once: by `url` or by `command`, with the settings of that way alone. It walks the tree, as checkUpstreams
 * does, so that each problem is reported where it was written.
 */
export function checkTransports(tree: Tree): Finding[] {
  const upstreams = child(tree, 'upstreams');
  const written = upstreams?.kind === 'members' ? [...upstreams.members.values()] : [];
  return written.flatMap((upstream) => (upstream.kind === 'members' ? checkOne(upstream) : []));
}

function checkOne(upstream: Tree): Finding[] {
  const findings: Finding[] = [];
  const say = (member: string, message: string, hint?: string): void => {
    findings.push({ ...find(upstream, [member]).place, message, ...(hint !== undefined && { hint }) });
  };
  const url = child(upstream, 'url');
  const command = child(upstream, 'command');
  const transport = leafText(upstream, 'transport');
  if (!url && !command) {
    findings.push({ ...find(upstream, ['url']).place, message: 'is required', hint: missingHint(transport), absent: true });
  }
  if (url && command) say('command', 'stands beside a url', 'a server is either reached at its url or started by its command');
  if (url && !command) {
    if (transport === 'stdio') say('transport', 'needs a command, and there is a url', 'use http or sse, or a command in place of the url');
    for (const member of commandMembers) if (child(upstream, member)) say(member, 'says nothing without a command');
  }
  if (command && !url) {
    if (transport === 'http' || transport === 'sse') say('transport', 'needs a url, and there is a command', 'leave it out, or use stdio');
    const routes = child(upstream, 'passthrough');
    if (routes?.kind === 'list' && routes.items.length > 0) say('passthrough', 'needs a url: a command has no paths', 'remove it');
    if (child(upstream, 'credential')) say('credential', 'is a header, and a command gets none', 'pass its secrets in env');
  }
  return findings;
}

function missingHint(transport: string | undefined): string {
  return transport === 'stdio' ? 'stdio needs a command' : 'the url of the server, or a command that starts it';
}

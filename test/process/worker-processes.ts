import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The processes that serve for a gateway of several, by their ids. */
export function workersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

/** How many connections to a listener a process has. */
export function connectionsOf(pid: number, url: string): number {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  // proc_net_tcp(5): local address, remote address, state (01 = established), and the inode in the tenth column.
  const accepted = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${port}`) && state === '01');
  const inodes = new Set(accepted.map((columns) => columns[9]));
  const linked = (name: string): string => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return '';
    }
  };
  const sockets = readdirSync(`/proc/${pid}/fd`).map((name) => /^socket:\[(\d+)\]$/.exec(linked(name))?.[1]);
  return sockets.filter((inode) => inode !== undefined && inodes.has(inode)).length;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

import { Command, Redis } from 'ioredis';
import type { BoundedCluster } from './bounded-cluster.ts';
import type { Ran, Script } from './connection.ts';
import type { Lives } from './watch-link.ts';

/**
 * Runs a script by its hash, and once more by its source where the server does not know it: after a restart, a failover or SCRIPT FLUSH.
 * @throws Error of the server or of the connection, without the arguments, which ioredis hangs on to it and which may be secret
 */
export async function runScript(
  { client, lives }: { client: Redis | BoundedCluster; lives: Lives },
  script: Script,
  { keys, args }: { keys: readonly string[]; args: readonly string[] },
): Promise<Ran> {
  const named = client instanceof Redis ? keys : [...keys, siblingKey(keys[0] ?? '', 'absent')];
  const tail = [String(named.length), ...named, ...args];
  try {
    return await send({ client, lives }, 'evalsha', [script.sha, ...tail]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw withoutCommand(error);
  }
  try {
    return await send({ client, lives }, 'eval', [script.source, ...tail]);
  } catch (error) {
    throw withoutCommand(error);
  }
}

async function send(
  { client, lives }: { client: Redis | BoundedCluster; lives: Lives },
  name: 'evalsha' | 'eval',
  args: string[],
): Promise<Ran> {
  const command = new Command(name, args, { replyEncoding: 'utf8' });
  const lifeBefore = client instanceof Redis ? lives.of(client) : 0;
  if (client instanceof Redis) writeTogether(client);
  const reply: unknown = await client.sendCommand(command);
  const sent = client instanceof Redis ? { node: client, life: lifeBefore } : client.sentTo(command);
  if (sent === undefined) throw new Error('A script was answered by a node of the Redis cluster that is not known.');
  return { reply, node: sent.node, unbroken: () => lives.of(sent.node) === sent.life };
}

/**
 * Whatever is sent in this turn goes out in one write: calls of several partitions are a script each, and a write of its own costs a script more than
 * its text does. (Node's documentation, stream.Writable, on uncork.)
 */
function writeTogether({ stream }: Redis): void {
  if (!stream || stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}

/**
 * A name in the slot of another key.
 *
 * The one that runScript adds in a cluster, `absent`, never exists. While a slot moves from one node to another, either node lacks some of its
 * keys, and a script that builds names itself would take those for absent: counters would start at zero. The node that a slot moves
 * to refuses a command of several keys of which one is missing (TRYAGAIN), and the node that it leaves sends such a command there. So with
 * this key no script runs in a slot that is moving; it is tried again until the move is over.
 */
export function siblingKey(key: string, name: string): string {
  const tag = /\{([^}]+)\}/.exec(key)?.[1] ?? key;
  return `kg:{${tag}}:${name}`;
}

function withoutCommand(error: unknown): unknown {
  if (error instanceof Error) Reflect.deleteProperty(error, 'command');
  return error;
}

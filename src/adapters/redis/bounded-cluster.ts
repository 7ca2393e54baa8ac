import { Cluster, type ClusterOptions, type Command, type Redis } from 'ioredis';
import type { Lives } from './watch-link.ts';

type SendCommand = Cluster['sendCommand'];
/** Options of a Cluster whose replies have the same form under RESP2 and RESP3. */
type PlainOptions = ClusterOptions & { redisOptions: { replyMapping?: 'legacy' } };

/** Over which connection of which node a command was sent last. */
interface Sent {
  readonly node: Redis;
  readonly life: number;
}

/** A Cluster whose commands are bounded in time from the moment they are given to it, whatever redirections and retries they meet. */
export class BoundedCluster extends Cluster {
  readonly #commandTimeout: number;
  readonly #sent = new WeakMap<Command, Sent>();

  constructor(
    nodes: { host: string; port: number }[],
    options: PlainOptions & { lazyConnect: true },
    { commandTimeout, lives }: { commandTimeout: number; lives: Lives },
  ) {
    super(nodes, options);
    this.#commandTimeout = commandTimeout;
    this.on('+node', (node: Redis) => {
      lives.watch(node);
      onSend(node, (command) => this.#sent.set(command, { node, life: lives.of(node) }));
    });
  }

  override sendCommand(...args: Parameters<SendCommand>): ReturnType<SendCommand> {
    args[0].setTimeout(this.#commandTimeout);
    return super.sendCommand(...args);
  }

  /** Where the answer to a command came from. */
  sentTo(command: Command): Sent | undefined {
    return this.#sent.get(command);
  }
}

/**
 * Calls the listener for each command that the node is given. A command whose promise has been rejected is not sent any more, although the
 * cluster client would still try it elsewhere. And ASKING, which that client sends without looking at its answer, must not end the process
 * when the connection breaks.
 */
function onSend(node: Redis, listener: (command: Command) => void): void {
  const send = node.sendCommand.bind(node);
  let asked = false;
  node.sendCommand = (...args: Parameters<Redis['sendCommand']>) => {
    const [command] = args;
    // After ASKING something has to follow, or the next command would be taken for the one that was meant.
    if (command.isSettled && !asked) return command.promise;
    listener(command);
    asked = command.name === 'asking';
    const answer = send(...args);
    if (asked) void command.promise.catch(() => undefined);
    return answer;
  };
}

import type { ChildrenLimits, Command } from '../../../domain/target.ts';
import type { Link, LinkListener, OpenLink, SendTrouble } from '../duplex/link.ts';
import { brokenId, readMessage } from '../duplex/read-message.ts';
import type { ChildLog } from './child-log.ts';
import { type StartedChild, startChild } from './child-process.ts';
import { createLineReader } from './line-reader.ts';

/** What may wait for a child that reads slowly, and the longest piece of a line on its standard error that is looked at; bytes. */
const waitingBytesMax = 16 * 1024 * 1024;
const errorLineBytesMax = 4_096;

interface ChildLinkOptions {
  readonly command: Command;
  readonly children: ChildrenLimits;
  readonly env: Record<string, string>;
  readonly log: ChildLog;
  /** Longest line of a child, in bytes; one that prints a longer one is killed. */
  readonly lineBytesMax: () => number;
}

/** Links to children: one JSON-RPC message on each line of standard input and output (MCP 2025-11-25, transports, stdio). */
export function openChildLinks(options: ChildLinkOptions): OpenLink {
  return (listener) => openChildLink(options, listener);
}

function openChildLink({ command, children, env, log, lineBytesMax }: ChildLinkOptions, listener: LinkListener): Link {
  const child = startChild(command, { env, killWithGateway: children.killWithGateway });
  let over = false;
  let asked = false;
  readMessages(child, { listener, log, lineBytesMax });
  readErrors(child, log);
  child.ended.then((how) => {
    over = true;
    if (!asked || child.pid === undefined) log.note('a child has ended', { how });
    listener.onClosed();
  });

  return {
    send(bytes, _headers, taken) {
      const trouble = troubleOf(child, over);
      if (!trouble) child.stdin.write(Buffer.concat([bytes, lineEnd]));
      taken(trouble);
    },
    async close() {
      asked = true;
      await child.stop(children.stopGraceMs);
    },
    kill: () => child.kill(),
  };
}

const lineEnd = Buffer.from('\n');

function troubleOf({ pid, stdin }: StartedChild, over: boolean): SendTrouble | undefined {
  if (pid === undefined || over) return { kind: 'connect', sent: false, cause: new Error('the child does not run') };
  if (!stdin.writable) return { kind: 'reset', sent: false, cause: new Error('the child takes nothing any more') };
  if (stdin.writableLength <= waitingBytesMax) return undefined;
  return { kind: 'reset', sent: false, cause: new Error('the child reads too slowly') };
}

function readMessages(
  child: StartedChild,
  { listener, log, lineBytesMax }: Pick<ChildLinkOptions, 'log' | 'lineBytesMax'> & { listener: LinkListener },
): void {
  const lines = createLineReader(lineBytesMax);
  child.stdout.on('data', (chunk: Buffer) => {
    try {
      for (const line of lines.push(chunk)) readLine(line, { listener, log });
    } catch (thrown) {
      log.note('a child was killed', { why: thrown instanceof Error ? thrown.message : 'its output could not be read' });
      child.stdout.removeAllListeners('data').resume();
      child.kill();
    }
  });
}

function readLine(line: Buffer, { listener, log }: { listener: LinkListener; log: ChildLog }): void {
  const scanned = readMessage(line);
  if (scanned.ok) listener.onMessage(scanned.message);
  else {
    log.line('stdout', line.toString('utf8', 0, errorLineBytesMax));
    listener.onBroken(brokenId(scanned));
  }
}

/** Standard error is for people: cut into lines of a bounded length, however it comes. */
function readErrors(child: StartedChild, log: ChildLog): void {
  let rest = '';
  child.stderr.on('data', (chunk: Buffer) => {
    const pieces = (rest + chunk.toString('utf8')).split('\n');
    rest = (pieces.pop() ?? '').slice(0, errorLineBytesMax);
    for (const piece of pieces) log.line('stderr', piece);
  });
  child.stderr.once('end', () => log.line('stderr', rest));
}

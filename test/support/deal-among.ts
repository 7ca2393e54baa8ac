import { type ChildProcess, fork } from 'node:child_process';

/** What became of one piece of work: what its process answered, or with what that ended instead. */
export type Outcome<Result> = { readonly result: Result } | { readonly ended: string };

/**
 * Deals pieces of work to so many processes of a program, the next piece to whoever has done with its last, so what is done is the same for any number of them. The program
 * says `ready` once and then answers each message with one, which `takePieces` does. A process that ends, or needs more than `msMax` for a piece, is replaced, and its piece has no result.
 * @param options.next  the next piece; undefined where there is no more
 * @throws Error where a process ends before it is ready: that is nobody's piece
 */
export async function dealAmong<Piece extends object, Result>(options: {
  program: string;
  processes: number;
  msMax: number;
  next: () => Piece | undefined;
  done: (piece: Piece, outcome: Outcome<Result>) => void;
}): Promise<void> {
  const { program, processes, msMax, next, done } = options;
  const work = async (): Promise<void> => {
    let child: ChildProcess | undefined;
    for (let piece = next(); piece !== undefined; piece = next()) {
      child ??= await startProgram(program);
      const busy = child;
      const late = setTimeout(() => busy.kill('SIGKILL'), msMax);
      busy.send(piece);
      const outcome = await answerOf<Result>(busy);
      clearTimeout(late);
      if ('ended' in outcome) child = undefined;
      done(piece, outcome);
    }
    child?.disconnect();
  };
  await Promise.all(Array.from({ length: processes }, work));
}

/** What such a program does, in place of a loop of its own. */
export function takePieces<Piece, Result>(work: (piece: Piece) => Promise<Result> | Result): void {
  // A piece that throws ends the process, and is known by that.
  process.on('message', async (piece: Piece) => void process.send?.(await work(piece)));
  process.send?.('ready');
}

/** Such work leaves much behind that is soon gone: room for it saves a tenth of the time. */
const execArgv = ['--max-semi-space-size=64'];

async function startProgram(program: string): Promise<ChildProcess> {
  const child = fork(program, { execArgv });
  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  child.once('exit', () => process.off('exit', killWithParent));
  const began = await answerOf<string>(child);
  if ('ended' in began) throw new Error(`${program} ended before it was ready: ${began.ended}`);
  return child;
}

/** What it says next, or with what it ended. */
function answerOf<Result>(child: ChildProcess): Promise<Outcome<Result>> {
  return new Promise((resolve) => {
    const onMessage = (message: unknown): void => {
      child.off('exit', onExit);
      resolve({ result: message as Result });
    };
    const onExit = (code: number | null, signal: string | null): void => {
      child.off('message', onMessage);
      resolve({ ended: `code ${code}, signal ${signal}` });
    };
    child.once('message', onMessage).once('exit', onExit);
  });
}

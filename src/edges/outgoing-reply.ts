import type { ServerResponse } from 'node:http';
import type { RequestPlace } from '../ports/load.ts';
import type { Reply } from '../ports/reply.ts';

export interface ReplyTerms {
  /** Headers that every answer of this request carries. */
  readonly always: Readonly<Record<string, string>>;
  /** Milliseconds for which a client may take nothing of what waits for it. */
  readonly stallMsMax: number;
  /** Whose answer it is. */
  readonly place?: Pick<RequestPlace, 'giveWay'>;
}

/** Longer bodies are copied for more than a write of two parts costs. */
const oneWriteBytesMax = 8_192;

/** The raw outgoing response as a Reply. */
export function replyOn(outgoing: ServerResponse, terms: ReplyTerms): Reply {
  return new OutgoingReply(outgoing, terms);
}

/** A class for the reason that stages/collect.ts gives: one is made for each request, and it has accessors. */
class OutgoingReply implements Reply {
  private readonly outgoing: ServerResponse;
  private readonly stallMsMax: number;
  private readonly place: ReplyTerms['place'];
  private carried: Readonly<Record<string, string>>;
  private watch: (() => void) | undefined = undefined;

  constructor(outgoing: ServerResponse, { always, stallMsMax, place }: ReplyTerms) {
    this.outgoing = outgoing;
    this.place = place;
    this.stallMsMax = stallMsMax;
    this.carried = always;
  }

  get closed(): boolean {
    return this.outgoing.destroyed || this.outgoing.writableEnded;
  }

  get headSent(): boolean {
    return this.outgoing.headersSent;
  }

  carry(headers: Readonly<Record<string, string>>): void {
    this.carried = { ...this.carried, ...headers };
  }

  head(status: number, headers: Readonly<Record<string, string | readonly string[]>>, flush?: boolean): void {
    const { outgoing, carried } = this;
    // A body that was not read whole would be taken for the next request: this connection ends with the answer.
    const unread = outgoing.req.complete ? {} : { connection: 'close' };
    outgoing.writeHead(status, { ...carried, ...(headers as Record<string, string | string[]>), ...unread });
    if (flush) outgoing.flushHeaders();
  }

  write(chunk: Buffer | string): boolean {
    const { outgoing } = this;
    if (outgoing.writableEnded || outgoing.destroyed) return true;
    const ready = outgoing.write(chunk);
    if (!ready) this.watchStall();
    return ready;
  }

  end(body?: Buffer | string | readonly Buffer[], written?: () => void): void {
    const { outgoing } = this;
    // Whoever has its answer may call again before this call is settled.
    this.place?.giveWay();
    // Node sends head and body in one write where both are texts; each byte is one character of Latin-1, and is itself again.
    if (Buffer.isBuffer(body) && body.length <= oneWriteBytesMax) outgoing.end(body.toString('latin1'), 'latin1', written);
    else if (typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body, written);
    else {
      // What is written in one turn leaves in one write, head and pieces.
      for (const piece of body ?? []) outgoing.write(piece);
      outgoing.end(written);
    }
    // Most answers are with the system at once, and then there is nothing that a client could leave waiting here.
    if (outgoing.writableLength > 0) this.watchStall();
  }

  cut(): void {
    this.outgoing.destroy();
  }

  onGone(listener: () => void): void {
    const { outgoing } = this;
    // Which comes once; `once` would make two things more of it, for as long as a stream is open.
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) listener();
    });
  }

  onDrain(listener: () => void): void {
    this.outgoing.on('drain', listener);
  }

  private watchStall(): void {
    this.watch ??= stallWatch(this.outgoing, this.stallMsMax);
    this.watch();
  }
}

/** Cuts the connection of a client that takes nothing for too long: what waits for it is memory, and often a hold (A15). */
function stallWatch(outgoing: ServerResponse, stallMsMax: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  let listening = false;
  const taken = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return () => {
    timer ??= setTimeout(() => outgoing.destroy(), stallMsMax);
    if (listening) return;
    listening = true;
    for (const event of ['drain', 'finish', 'close']) outgoing.on(event, taken);
  };
}

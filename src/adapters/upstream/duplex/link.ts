import type { Message, MessageId } from '../../../domain/message.ts';
import type { UpstreamFailure } from '../../../ports/upstreams.ts';

/** A link that carries JSON-RPC messages both ways: the pipes of a child, or an event stream with the URL to post to. */
export interface Link {
  /**
   * Sends one message. `taken` is called once: with nothing when it went out and was not refused, else with why not.
   * @param headers flat list; of no meaning to a child
   */
  send(bytes: Buffer, headers: readonly string[], taken: (trouble?: SendTrouble) => void): void;
  /** Ends it in order; resolves when nothing of it is left. */
  close(): Promise<void>;
  /** Ends it at once, as far as that can be done without waiting: for a process that exits. */
  kill(): void;
}

/** Why a message was not taken: the attempt failed, or was answered with an HTTP status that is no success. */
export type SendTrouble = UpstreamFailure | { readonly status: number };

export interface LinkListener {
  onMessage(message: Message): void;
  /** Something came that is no message; where it has the id of an answer all the same, that is named. */
  onBroken(id: MessageId | null): void;
  /** Called once, when the link is gone, however that came. */
  onClosed(): void;
}

/** @param headers flat list, of the request that needs the link */
export type OpenLink = (listener: LinkListener, headers: readonly string[]) => Link;

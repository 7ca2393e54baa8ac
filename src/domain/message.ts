/**
 * One JSON-RPC message as the gate sees it: the bytes, and where in them the deciding members stand.
 * The bytes are never rebuilt from a parsed value (I4): what was scanned is what is forwarded.
 */

/** Half-open range of byte offsets into the message's bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A task's id and the place of its text, quotes included. */
export interface TaskMention {
  readonly id: string;
  readonly span: Span;
}

/** A request id (JSON-RPC 2.0 section 4; MCP forbids null and fractions). */
export type MessageId = string | number;

/** The members of `params` that decide something. Each is present only when it stands there as the right type. */
export interface Deciding {
  /** `params.name`: tools/call, prompts/get. */
  readonly name?: string;
  /** The place of its text, quotes included. */
  readonly nameSpan?: Span;
  /** `params.uri`: resources/read, subscribe, unsubscribe. */
  readonly uri?: string;
  readonly uriSpan?: Span;
  /** `params.ref` of completion/complete. */
  readonly ref?: {
    readonly type: string;
    readonly name?: string;
    readonly nameSpan?: Span;
    readonly uri?: string;
    readonly uriSpan?: Span;
  };
  /** `params.cursor` of the lists, and its place. */
  readonly cursor?: string;
  readonly cursorSpan?: Span;
  readonly taskId?: string;
  /** The place of its text, quotes included. */
  readonly taskIdSpan?: Span;
  /** True where `params.task` stands (2025-11-25 task augmentation). */
  readonly task?: boolean;
  /** `params.requestId` of notifications/cancelled, and its place. */
  readonly cancels?: { readonly id: MessageId; readonly span: Span };
  /** `params.arguments`: the place of its text. */
  readonly arguments?: Span;
  /** `params.protocolVersion` of initialize. */
  readonly protocolVersion?: string;
  /** `params._meta["io.modelcontextprotocol/protocolVersion"]`, and whether clientCapabilities stands beside it. */
  readonly metaProtocolVersion?: string;
  readonly metaClientCapabilities?: boolean;
  /** `params.requestState` (2026-07-28 multi-round trip): the place of its text, and that of the whole member. */
  readonly requestState?: Span;
  readonly requestStateMember?: Span;
  /** `params.notifications` of subscriptions/listen. */
  readonly notifications?: Span;
  /** `params._meta["io.modelcontextprotocol/related-task"].taskId` (2025-11-25 tasks). */
  readonly relatedTask?: TaskMention;
}

/** The members of a `result` that decide what becomes of it. Each is present only when it stands there as the right type. */
export interface ResultMarks {
  /** `result.resultType` (2026-07-28). */
  readonly resultType?: string;
  /** `result.requestState`: the place of its text. */
  readonly requestState?: Span;
  /** `result.taskId`. */
  readonly taskId?: TaskMention;
  /** `result.task.taskId`, and `result.task.ttl` in milliseconds (2025-11-25). */
  readonly task?: TaskMention;
  readonly taskTtlMs?: number;
  /** `result._meta["io.modelcontextprotocol/related-task"].taskId`. */
  readonly relatedTask?: TaskMention;
}

interface Common {
  readonly bytes: Buffer;
}

export interface RequestMessage extends Common {
  readonly kind: 'request';
  readonly id: MessageId;
  /** Where the id's own text stands. */
  readonly idSpan: Span;
  readonly method: string;
  readonly params: Deciding;
}

export interface NotificationMessage extends Common {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: Deciding;
}

export interface ResponseMessage extends Common {
  readonly kind: 'response';
  /** null only in an error response to a message whose id could not be read. */
  readonly id: MessageId | null;
  readonly idSpan: Span;
  /** The place of `result` or `error`. */
  readonly outcome: 'result' | 'error';
  readonly body: Span;
  /** `result.isError === true`, or `error.code`. */
  readonly isError?: boolean;
  readonly errorCode?: number;
  /** Absent where the result has none of these members. */
  readonly marks?: ResultMarks;
}

export type Message = RequestMessage | NotificationMessage | ResponseMessage;

export interface ScanLimits {
  readonly depthMax: number;
  /** Members and elements of all objects and arrays together. */
  readonly nodesMax: number;
  /** Lets escapes of half a surrogate pair stand: for answers, since real servers cut texts in the middle of a character. */
  readonly loneSurrogates?: boolean;
}

/** The message, or why it is none. `id` is the request's id where it could be read all the same, for the refusal to name. */
export type Scanned =
  | { readonly ok: true; readonly message: Message }
  | {
      readonly ok: false;
      readonly reason: 'PARSE_ERROR' | 'INVALID_MESSAGE';
      readonly detail: string;
      readonly id: MessageId | null;
      /** The body, where it is an array and nothing else is wrong with it. */
      readonly array?: Buffer;
    };

/** A call of the matrix: a tool with its arguments. */
export interface ToolCall {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A client that is connected to one endpoint of keygate with one key. */
export interface Connected {
  /** Names of the tools, as the client sees them. */
  list(): Promise<string[]>;
  /** The result's text. Rejects where the client was told of an error; a result that says `isError` is a result. */
  call(wanted: ToolCall): Promise<string>;
  /** The result's text, and how many progress notifications the client showed; undefined where it has no way to show any. */
  stream(wanted: ToolCall): Promise<{ text: string; progress: number | undefined }>;
  /** Begins the call, gives up once `running` says that the server has it, and resolves when the client has given up. Absent: it cannot. */
  cancel?(wanted: ToolCall, running: Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** One column of the matrix. */
export interface MatrixClient {
  readonly name: string;
  /** The package whose version the table names. */
  readonly package: string;
  /** Which servers it speaks to by itself: those with sessions, those of 2026-07-28, or whichever it finds. */
  readonly era: 'session' | 'stateless' | 'any';
  /** Why it cannot cancel, where it cannot: always, or only in one era. */
  readonly noCancel?: string;
  connect(url: string, key: string): Promise<Connected>;
}

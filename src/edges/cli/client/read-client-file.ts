import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { CommandFailure } from '../failure.ts';

/** One MCP server as a client's own file has it. */
export interface ClientServer {
  /** As written. */
  readonly name: string;
  readonly members: Readonly<Record<string, unknown>>;
}

export interface ClientFile {
  readonly text: string;
  /** Where the servers stand: `mcpServers` (Claude, Cursor, Windsurf, Gemini), `servers` or `mcp.servers` (VS Code). */
  readonly path: readonly string[];
  readonly servers: readonly ClientServer[];
}

const places: readonly (readonly string[])[] = [['mcpServers'], ['servers'], ['mcp', 'servers']];

/** Reads a client's configuration, JSON with comments. @throws CommandFailure, which shows nothing of the file: any of it may be a secret */
export function readClientFile(text: string): ClientFile {
  const errors: ParseError[] = [];
  const root: unknown = parse(text.replace(/^\uFEFF/, ' '), errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error) {
    const line = text.slice(0, error.offset).split('\n').length;
    throw new CommandFailure('NOT_A_CLIENT_FILE', `the file is not JSON: ${printParseErrorCode(error.error)} on line ${line}`);
  }
  for (const path of places) {
    const servers = path.reduce<unknown>(member, root);
    if (!isMembers(servers)) continue;
    return { text, path, servers: Object.entries(servers).flatMap(([name, members]) => (isMembers(members) ? [{ name, members }] : [])) };
  }
  throw new CommandFailure(
    'NOT_A_CLIENT_FILE',
    'the file has neither mcpServers nor servers, which is where clients keep their MCP servers',
  );
}

function member(value: unknown, name: string): unknown {
  return isMembers(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

export function isMembers(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The texts of an object's members; others are left out. */
export function textsOf(value: unknown): [name: string, text: string][] {
  return isMembers(value) ? Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string') : [];
}

/** Where a server with a URL is: Gemini says httpUrl, Windsurf serverUrl, all others url. */
export function urlMember(members: ClientServer['members']): 'httpUrl' | 'serverUrl' | 'url' | undefined {
  return (['httpUrl', 'serverUrl', 'url'] as const).find((name) => typeof members[name] === 'string');
}

import { encodeHeaderValue } from './header-value.ts';

/** One argument of a tool that goes into a header too (2026-07-28, schema extension `x-mcp-header`). */
export interface ParamHeader {
  /** What stands behind `Mcp-Param-`. */
  readonly name: string;
  /** Names of members, from the arguments down. */
  readonly path: readonly string[];
}

/** RFC 9110, section 5.6.2. */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Schemas may be deep, and each header makes a request longer. */
const depthMax = 16;
const headersMax = 32;

/** The headers that a tool's input schema asks for: of members that are reached through `properties` alone. */
export function paramHeadersOf(inputSchema: unknown): ParamHeader[] {
  const found = new Map<string, ParamHeader>();
  const visit = (schema: unknown, path: readonly string[]): void => {
    if (typeof schema !== 'object' || schema === null || path.length > depthMax) return;
    const name: unknown = Reflect.get(schema, 'x-mcp-header');
    if (path.length > 0 && typeof name === 'string' && fieldName.test(name) && found.size < headersMax) {
      found.set(name.toLowerCase(), { name, path });
    }
    const properties: unknown = Reflect.get(schema, 'properties');
    if (typeof properties !== 'object' || properties === null) return;
    for (const [member, child] of Object.entries(properties)) visit(child, [...path, member]);
  };
  visit(inputSchema, []);
  return [...found.values()];
}

/** Flat list of headers for these arguments. A member that is absent or null has none, nor has one that is no single value. */
export function paramHeaders(declared: readonly ParamHeader[], args: unknown): string[] {
  return declared.flatMap(({ name, path }) => {
    const text = spelling(path.reduce(memberNamed, args));
    return text === undefined ? [] : [`mcp-param-${name.toLowerCase()}`, encodeHeaderValue(text)];
  });
}

function memberNamed(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

function spelling(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value)) ? String(value) : undefined;
}

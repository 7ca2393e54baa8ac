import { Composer, type CST, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, Parser, type YAMLError } from 'yaml';
import { blankComments } from './jsonc.ts';
import { type Finding, pathText } from './problems.ts';
import { leafAt, type Place, type Tree } from './tree.ts';

/** Nesting beyond any sensible configuration. The composer recurses, and a deep enough file would end the process. */
const depthMax = 64;
/** One slip can make a parser stumble many times; the first few places are enough to find it. */
const syntaxProblemsMax = 20;

export interface Parsed {
  /** Absent where nothing could be read at all. */
  readonly tree?: Tree;
  readonly findings: Finding[];
  /** Offset of the first syntax error: what the tree says after it may be the parser's guess. */
  readonly brokenFrom?: number;
  /** One-based line and column of an offset. */
  readonly position: (offset: number) => { line: number; column: number };
}

/**
 * Parses one YAML 1.2 document, or JSONC. All syntax problems are returned together with what could be read; nothing is thrown. Refused, beyond
 * the syntax: aliases (they can multiply without bound), merge keys, tags, repeated names, several documents, `__proto__` as a name.
 */
export function parseText(text: string, form: 'yaml' | 'jsonc'): Parsed {
  const lines = new LineCounter();
  const source = form === 'jsonc' ? blankComments(text) : text;
  const tokens = [...new Parser(lines.addNewLine).parse(source)];
  const position = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const deep = tooDeep(tokens);
  if (deep !== undefined) return { findings: [{ path: '', offset: deep, message: `nests deeper than ${depthMax} levels` }], position };
  const options = {
    prettyErrors: false,
    uniqueKeys: false,
    stringKeys: true,
    logLevel: 'silent',
    ...(form === 'jsonc' && { schema: 'json' }),
  } as const;
  const [document, second] = [...new Composer(options).compose(tokens, true, source.length)];
  if (!document) return { findings: [{ path: '', message: 'is empty' }], position };
  const findings = [...document.errors, ...document.warnings].slice(0, syntaxProblemsMax).map((error) => syntaxFinding(error, form));
  const brokenFrom = document.errors.map((error) => error.pos[0]).sort((a, b) => a - b)[0];
  if (second)
    findings.push({ path: '', offset: second.range[0], message: 'has more than one YAML document', hint: 'remove the --- between them' });
  if (document.directives?.yaml.version !== '1.2')
    findings.push({ path: '', offset: 0, message: 'asks for another YAML version than 1.2' });
  const tree = convert(document, form, findings);
  return { tree, findings, position, ...(brokenFrom !== undefined && { brokenFrom }) };
}

/** The library's own texts for these quote the file, which may hold secrets (I5). */
const ownTexts: Readonly<Record<string, string>> = {
  UNEXPECTED_TOKEN: 'unexpected text here',
  BAD_DQ_ESCAPE: 'invalid escape in a double-quoted string',
  BAD_DIRECTIVE: 'invalid directive',
  BAD_ALIAS: 'invalid alias or anchor',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  BAD_COLLECTION_TYPE: 'tags are not allowed here',
  NON_STRING_KEY: 'a name must be a plain string',
};

function syntaxFinding(error: YAMLError, form: 'yaml' | 'jsonc'): Finding {
  const tag = form === 'jsonc' ? 'not a JSON value' : 'tags are not allowed here';
  const text = error.code === 'TAG_RESOLVE_FAILED' ? tag : (ownTexts[error.code] ?? error.message);
  return { path: '', offset: error.pos[0], message: `${form === 'jsonc' ? 'JSON' : 'YAML'} syntax: ${text}` };
}

/** The offset of the first token that stands deeper than depthMax, found without recursion. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const waiting = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { token, depth } = next;
    if (depth > depthMax) return token.offset;
    if (token.type === 'document' && token.value) waiting.push({ token: token.value, depth });
    if (!('items' in token)) continue;
    for (const item of token.items) {
      if (item.key) waiting.push({ token: item.key, depth: depth + 1 });
      if (item.value) waiting.push({ token: item.value, depth: depth + 1 });
    }
  }
  return undefined;
}

function convert(document: Document.Parsed, form: 'yaml' | 'jsonc', findings: Finding[]): Tree {
  let aliasSeen = false;
  const visit = (node: Node | null, at: Place): Tree => {
    if (isAlias(node)) {
      // One is enough: a file made to multiply holds thousands.
      if (!aliasSeen) findings.push({ ...at, message: 'is a YAML alias; aliases are not supported', hint: 'write the value out' });
      aliasSeen = true;
      return leafAt(at, '', true);
    }
    if (node?.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:')) return leafAt(at, '', true);
    if (isSeq(node)) {
      const items = node.items.map((item, index) => visit(item as Node, placeOf(item as Node, pathText([index], at.path), at)));
      return { kind: 'list', at, items };
    }
    if (isMap(node)) {
      const members = new Map<string, Tree>();
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        const place = placeOf(key as Node, pathText([name], at.path), at);
        const refusal = refuseName(name, members.has(name));
        if (refusal) findings.push({ ...place, ...refusal });
        else members.set(name, visit(value as Node | null, place));
      }
      return { kind: 'members', at, members };
    }
    const value: unknown = isScalar(node) ? node.value : null;
    // An unquoted word in JSON has been reported as a syntax problem.
    if (form === 'jsonc' && isScalar(node) && node.type === 'PLAIN' && typeof value === 'string') return leafAt(at, '', true);
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return { kind: 'leaf', at, value };
    findings.push({ ...at, message: 'has a tag, which is not supported' });
    return leafAt(at, '', true);
  };
  return visit(document.contents, { path: '', offset: document.contents?.range?.[0] ?? 0 });
}

function placeOf(node: Node | null, path: string, above: Place): Place {
  const offset = node?.range?.[0] ?? above.offset;
  return { path, ...(offset !== undefined && { offset }) };
}

function refuseName(name: string, seen: boolean): { message: string; hint?: string } | undefined {
  if (name === '<<') return { message: 'is a YAML merge key, which is not supported', hint: 'write the members out' };
  if (name === '__proto__') return { message: 'is not an allowed name' };
  return seen ? { message: 'is written twice', hint: 'remove one of the two' } : undefined;
}

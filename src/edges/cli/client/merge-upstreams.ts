import { applyEdits, modify, parse } from 'jsonc-parser';
import { type Document, isMap, parseDocument } from 'yaml';
import { CommandFailure } from '../failure.ts';
import { isMembers } from './read-client-file.ts';

/** What a configuration without a file begins with. */
const fresh = `# keygate's configuration: see docs/configuration.md.
listen: { mcp: 127.0.0.1:8080, admin: 127.0.0.1:8081 }
store: ./var
`;

export interface Configured {
  /** Upstreams that are there, as written. */
  readonly upstreams: Readonly<Record<string, unknown>>;
  /** The text with more upstreams; comments and everything else stay. */
  with(added: Readonly<Record<string, Record<string, unknown>>>): string;
}

/** Opens the text of a configuration to add upstreams. @param text undefined where there is no file yet @throws CommandFailure where it is none */
export function openConfiguration(text: string | undefined, form: 'yaml' | 'jsonc'): Configured {
  return form === 'jsonc' && text !== undefined ? jsonConfiguration(text) : yamlConfiguration(text ?? fresh);
}

function yamlConfiguration(text: string): Configured {
  const read = (): Document.Parsed => parseDocument(text, { logLevel: 'silent' });
  const document = read();
  if (document.errors.length > 0 || !(document.contents === null || isMap(document.contents))) throw unusable();
  const upstreams: unknown = document.toJS({ maxAliasCount: 0 })?.upstreams;
  return {
    upstreams: isMembers(upstreams) ? upstreams : {},
    with(added) {
      const changed = read();
      for (const [name, entry] of Object.entries(added)) {
        if (!isMap(changed.getIn(['upstreams'], true))) changed.setIn(['upstreams'], changed.createNode({}));
        changed.setIn(['upstreams', name], changed.createNode(entry));
      }
      const map = changed.getIn(['upstreams'], true);
      // What was written as {} on one line would put every server on that line.
      if (isMap(map) && map.items.length === Object.keys(added).length) map.flow = false;
      return changed.toString({ lineWidth: 0 });
    },
  };
}

function jsonConfiguration(text: string): Configured {
  const root: unknown = parse(text, [], { allowTrailingComma: true });
  if (!isMembers(root)) throw unusable();
  return {
    upstreams: isMembers(root.upstreams) ? root.upstreams : {},
    with: (added) =>
      Object.entries(added).reduce((before, [name, entry]) => {
        return applyEdits(before, modify(before, ['upstreams', name], entry, { formattingOptions: formattingOf(text) }));
      }, text),
  };
}

/** How a file is indented, so that what is added looks like the rest. */
export function formattingOf(text: string): { insertSpaces: boolean; tabSize: number; eol: string } {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return indent.startsWith('\t') ? { insertSpaces: false, tabSize: 1, eol } : { insertSpaces: true, tabSize: indent.length, eol };
}

function unusable(): CommandFailure {
  return new CommandFailure('CONFIG_INVALID', 'the configuration cannot be read: run keygate check');
}

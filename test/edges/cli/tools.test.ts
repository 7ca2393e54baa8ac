import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAuthority, openWholeStore, readConfig } from '../../../src/compose-store.ts';
import { readSighting } from '../../../src/domain/tool-definition.ts';
import { judgeSighting } from '../../../src/domain/tool-pin.ts';
import { pinFacts } from '../../../src/domain/tool-pin-record.ts';
import { readJournal } from '../../support/gateway.ts';
import { type Ran, runCommand } from './run-command.ts';

const configuration = `
store: ./var
upstreams:
  wiki: { url: "http://127.0.0.1:9001/mcp", tools: [{ match: "*", scope: "read:wiki" }] }
  desk: { url: "http://127.0.0.1:9002/mcp", pinning: { mode: approve }, tools: [{ match: "*", scope: "read:desk" }] }
`;
const red = 'red \u001b[31m';

/** docs/pinning.md, command by command, over an embedded store in which tools were seen. */
describe("the life of upstreams' tools", () => {
  let cwd = '';
  const place = () => ({ env: {}, cwd });
  const keygate = async (...argv: string[]): Promise<Ran> =>
    await runCommand(['--config', 'keygate.yaml', ...argv], {
      ...place(),
      openAuthority: async ({ configFile }) => await openAuthority({ configFile, ...place() }),
    });
  const json = async (...argv: string[]): Promise<Record<string, unknown>> => {
    const ran = await keygate(...argv, '--json');
    expect(ran).toMatchObject({ code: 0, err: '' });
    return ran.document();
  };
  const see = async (upstream: 'wiki' | 'desk', definition: { name: string; [member: string]: unknown }): Promise<void> => {
    const { authority, config, close } = await openAuthority({ configFile: 'keygate.yaml', ...place() });
    const stored = await authority.pins.get(upstream, definition.name);
    const sighting = readSighting(Buffer.from(JSON.stringify(definition)));
    const terms = config.upstreams[upstream]?.pinning;
    if (!terms) throw new Error(`no upstream ${upstream}`);
    const { pin, event } = judgeSighting(stored, sighting, { upstream, tool: definition.name, terms, now: Date.now() });
    if (event) await authority.pins.put({ pin, expected: stored?.revision ?? 0, record: pinFacts(event, pin) });
    await close();
  };

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'keygate-tools-'));
    await writeFile(join(cwd, 'keygate.yaml'), configuration);
    const made = await runCommand(['--config', 'keygate.yaml', 'init'], {
      ...place(),
      readConfig: async ({ configFile }) => await readConfig({ configFile, ...place() }),
      openAuthority: async ({ configFile }) => await openAuthority({ configFile, ...place() }),
    });
    expect(made.code).toBe(0);
    await see('wiki', { name: 'get_page', description: 'Gets a page' });
    await see('wiki', { name: red });
    await see('desk', { name: 'open_ticket' });
  });
  afterAll(() => rm(cwd, { recursive: true, force: true }));

  it('list shows what was seen, with nothing that a terminal would obey', async () => {
    expect((await json('tools', 'list')).data).toMatchObject([
      { upstream: 'desk', tool: 'open_ticket', state: 'pending', cause: 'unapproved' },
      { upstream: 'wiki', tool: 'get_page', state: 'pinned', cause: null, changed: [] },
      { upstream: 'wiki', tool: red, state: 'pinned' },
    ]);
    const { out } = await keygate('tools', 'list', '--upstream', 'wiki');
    expect(out).toContain('red \\u001b[31m');
    expect(out).not.toContain('\u001b');
    expect((await keygate('tools', 'list', '--state', 'quarantined')).out).toBe('no tools\n');
    expect(await keygate('tools', 'list', '--upstream', 'nowhere')).toMatchObject({ code: 1 });
    const page = await json('tools', 'list', '--limit', '1');
    expect(page.data).toHaveLength(1);
    expect((await json('tools', 'list', '--limit', '2', '--cursor', String(page.nextCursor))).data).toMatchObject([
      { tool: 'get_page' },
      { tool: red },
    ]);
  });

  it('diff shows what changed, and approve takes exactly that', async () => {
    expect((await keygate('tools', 'diff', '--upstream', 'wiki', '--tool', 'get_page')).out).toContain('it is listed as it is pinned');
    await see('wiki', { name: 'get_page', description: `Gets ${red}`, inputSchema: { type: 'object' } });
    const shown = await keygate('tools', 'diff', '--upstream', 'wiki', '--tool', 'get_page');
    expect(shown.out).toMatch(
      /\/description \(wording\)\n {2}- "Gets a page"\n {2}\+ "Gets red \\\\?u001b\[31m"\n\/inputSchema \(schema\)/,
    );
    expect(shown.out).not.toContain('\u001b');
    expect((await json('tools', 'diff')).data).toMatchObject([{ tool: 'open_ticket' }, { tool: 'get_page', state: 'quarantined' }]);
    const { definition, pinnedDefinition } = await json('tools', 'diff', '--upstream', 'wiki', '--tool', 'get_page');
    const approve = (hash: unknown) =>
      keygate('tools', 'approve', '--upstream', 'wiki', '--tool', 'get_page', '--definition', String(hash));
    expect(await approve(pinnedDefinition)).toMatchObject({ code: 1, out: '' });
    expect(await approve(definition)).toMatchObject({ code: 0, err: '' });
    expect(await json('tools', 'diff', '--upstream', 'wiki', '--tool', 'get_page')).toMatchObject({ state: 'pinned', approvedBy: 'cli' });
  });

  it('quarantine takes away, approve --all gives back and lets in what waits', async () => {
    const taken = await json('tools', 'quarantine', '--upstream', 'wiki', '--tool', red, '--reason', 'strange');
    expect(taken).toMatchObject({ tool: red, state: 'quarantined', cause: 'manual' });
    expect((await json('tools', 'approve', '--all')).data).toMatchObject([
      { upstream: 'desk', tool: 'open_ticket', state: 'pinned' },
      { upstream: 'wiki', tool: red, state: 'pinned' },
    ]);
    expect((await keygate('tools', 'diff')).out).toBe('no tool is held back or changed\n');
    const { store, close } = await openWholeStore({ configFile: 'keygate.yaml', ...place() });
    const records = (await readJournal(store)).filter(({ kind }) => kind.startsWith('tool.'));
    await close();
    expect(records.map(({ kind, tool, via }) => [kind, tool, via])).toEqual([
      ['tool.pinned', 'get_page', undefined],
      ['tool.pinned', red, undefined],
      ['tool.quarantined', 'open_ticket', undefined],
      ['tool.quarantined', 'get_page', undefined],
      ['tool.approved', 'get_page', 'cli'],
      ['tool.quarantined', red, 'cli'],
      ['tool.approved', 'open_ticket', 'cli'],
      ['tool.approved', red, 'cli'],
    ]);
  });

  it.each([
    [['approve']],
    [['approve', '--tool', 'x']],
    [['approve', '--tool', 'x', '--upstream', 'wiki', '--all']],
    [['approve', '--all', '--definition', 'x']],
    [['diff', '--tool', 'x']],
    [['quarantine', '--upstream', 'wiki', '--tool', 'x']],
  ])('%j is wrong usage', async (argv) => {
    expect((await keygate('tools', ...argv)).code).toBe(2);
  });

  it('a tool that was never seen is not there', async () => {
    expect(await keygate('tools', 'approve', '--upstream', 'wiki', '--tool', 'absent')).toMatchObject({ code: 1 });
    expect((await keygate('tools', 'quarantine', '--upstream', 'wiki', '--tool', 'absent', '--reason', 'x')).err).toContain(
      'No tool of this name',
    );
  });
});

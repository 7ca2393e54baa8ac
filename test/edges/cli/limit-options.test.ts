import { describe, expect, it } from 'vitest';
import { createMemoryAuthority } from '../../support/memory-authority.ts';
import { overAuthority, runCommand } from './run-command.ts';

async function minted(options: readonly string[]) {
  const command = ['keys', 'mint', '--name', 'night reader', '--scope', 'read:wiki', ...options, '--json'];
  return await runCommand(command, overAuthority(createMemoryAuthority()));
}

describe('--budget and --cap', () => {
  it.each([
    ['--budget', '5.00/day', { amount: '5', per: 'day', zone: 'UTC', tool: null, soft: false }],
    ['--budget', '5.00/day:soft', { amount: '5', tool: null, soft: true }],
    ['--budget', '5.00/day:tool=get_*', { tool: 'get_*', soft: false }],
    ['--budget', '5.00/day@Europe/Berlin:tool=get_*:soft', { zone: 'Europe/Berlin', tool: 'get_*', soft: true }],
    ['--budget', '5.00/day:soft:tool=soft', { tool: 'soft', soft: true }],
    ['--budget', '5.00/day:tool=a:b', { tool: 'a:b', soft: false }],
    ['--budget', '5.00/day:tool=tool=x', { tool: 'tool=x' }],
    ['--cap', '100/hour', { calls: 100, per: 'hour', tool: null, soft: false }],
    ['--cap', '100/hour:get_*', { tool: 'get_*', soft: false }],
    ['--cap', '100/hour:tool=get_*', { tool: 'get_*', soft: false }],
    ['--cap', '100/hour:soft', { tool: null, soft: true }],
    ['--cap', '100/hour@Europe/Berlin:get_page:soft', { zone: 'Europe/Berlin', tool: 'get_page', soft: true }],
    ['--cap', '100/hour:tool=soft', { tool: 'soft', soft: false }],
  ])('%s %s', async (option, text, meant) => {
    const ran = await minted([option, text]);
    expect(ran.err).toBe('');
    expect(ran.document<Record<string, unknown[]>>()[option === '--cap' ? 'caps' : 'budgets']).toMatchObject([meant]);
  });

  it.each([
    ['--budget', '5.00/day:get_*'],
    ['--budget', '5.00/day:'],
    ['--budget', '5.00/day:tool='],
    ['--budget', '5.00/day:tool=:soft'],
    ['--budget', '5.00:soft/day'],
    ['--cap', '100/hour:'],
    ['--cap', '100/hour:tool='],
    ['--cap', '100/hour:soft:'],
  ])('%s %s is a usage error', async (option, text) => {
    expect(await minted([option, text])).toMatchObject({ code: 2, out: '' });
  });

  it('are shown as they are written', async () => {
    const authority = createMemoryAuthority();
    const options = ['--budget', '5/day:tool=get_*:soft', '--cap', '9/hour@Europe/Berlin:soft'];
    const { id } = (
      await runCommand(['keys', 'mint', '--name', 'night reader', '--scope', 'read:wiki', ...options, '--json'], overAuthority(authority))
    ).document<{ id: string }>();
    const { out } = await runCommand(['keys', 'show', id], overAuthority(authority));
    expect(out).toMatch(/^budgets +5\/day:tool=get_\*:soft$/m);
    expect(out).toMatch(/^caps +9\/hour@Europe\/Berlin:soft$/m);
  });
});

describe('usage', () => {
  it('says which limits only warn, and how far each is', async () => {
    const authority = createMemoryAuthority();
    authority.usageLines = [
      { limitName: 'account:acme budget day', unit: 'micros', limit: 3_000_000, spent: 1_000_000, held: 0, soft: true },
      { limitName: 'key:k cap total', unit: 'calls', limit: 0, spent: 0, held: 0 },
      { limitName: 'key:k budget day', unit: 'micros', limit: 10 ** 15, spent: 10 ** 15 - 1, held: 0 },
    ];
    const over = overAuthority(authority);
    await runCommand('keys mint --name u --scope read'.split(' '), over);
    const { out } = await runCommand(['usage'], over);
    expect(out).toMatch(/account:acme budget day \(soft\) +1 +0 +3 +2 +33% +never/);
    expect(out).toMatch(/key:k cap total +0 +0 +0 +0 +100%/);
    expect(out).toMatch(/key:k budget day .* 99%/);
  });
});

describe('accounts', () => {
  it('limit needs something to change, and no contradiction', async () => {
    const over = overAuthority(createMemoryAuthority());
    for (const options of [[], ['--clear', 'budgets', '--budget', '5/day']]) {
      expect(await runCommand(['accounts', 'limit', 'acme', ...options], over)).toMatchObject({ code: 2, out: '' });
    }
  });

  it('adjust takes a negative amount as it is written', async () => {
    const seen: unknown[] = [];
    const authority = createMemoryAuthority();
    const account = { id: 'acme', balance: 5_000_000, held: 0, createdAt: 0, budgets: [], caps: [], revision: 1 };
    const ledger = {
      ...authority.ledger,
      account: async () => account,
      adjust: async (options: unknown) => {
        seen.push(options);
        return { account, replayed: true };
      },
    };
    const command = ['accounts', 'adjust', 'acme', '-2.50', '--reference', 'c-1', '--reason', 'charged twice'];
    const ran = await runCommand(command, overAuthority({ ...authority, ledger }));
    expect(ran).toMatchObject({ code: 0, err: '', out: expect.stringContaining('nothing was changed') });
    expect(seen).toMatchObject([{ accountId: 'acme', amount: -2_500_000, by: { amount: '-2.5', reason: 'charged twice' } }]);
  });
});

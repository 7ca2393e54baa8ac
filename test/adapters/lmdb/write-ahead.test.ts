import { mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aheadBytesMax, fenceAhead, openWriteAhead, type WriteAhead } from '../../../src/adapters/lmdb/write-ahead.ts';

let folder: string;
let path: string;
let now: string;
const opened: WriteAhead[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keygate-ahead-'));
  path = join(folder, 'ahead');
  now = 'one';
});
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
  rmSync(folder, { recursive: true });
});

function reopen(): WriteAhead {
  const made = openWriteAhead(path, (base) => base === now);
  opened.push(made);
  return made;
}

function open(): WriteAhead {
  const made = reopen();
  made.begin('one');
  return made;
}

test('groups are read in their order, by whoever opens the file, until the store has another mark', async () => {
  const ahead = open();
  expect([await ahead.append('first\nlines'), await ahead.append('second'), await ahead.append('ü'.repeat(5000))]).toEqual(
    Array(3).fill('stands'),
  );
  const texts = ['first\nlines', 'second', 'ü'.repeat(5000)];
  expect(ahead.texts('one')).toEqual(texts);
  expect(reopen().texts('one')).toEqual(texts);
  expect(ahead.texts('two')).toEqual([]);
  now = 'two';
  ahead.begin('two');
  await ahead.append('of two');
  // The second group of the base before still lies behind it.
  expect([ahead.texts('two'), ahead.texts('one')]).toEqual([['of two'], []]);
});

test('its size never changes, and where there is no room nothing is written', async () => {
  const ahead = open();
  const half = 'x'.repeat(aheadBytesMax / 2 - 8192);
  expect([await ahead.append(half), await ahead.append(half), await ahead.append(half), await ahead.append('y'.repeat(100))]).toEqual([
    'stands',
    'stands',
    'full',
    'stands',
  ]);
  expect(ahead.texts('one').map((text) => text.length)).toEqual([half.length, half.length, 100]);
  expect([statSync(path).size, statSync(path).mode & 0o777]).toEqual([aheadBytesMax, 0o600]);
});

test('a group that is not whole ends what is read', async () => {
  const ahead = open();
  for (const text of ['first', 'second', 'third']) await ahead.append(text);
  const file = openSync(path, 'r+');
  writeSync(file, 'X', readFileSync(path).indexOf('second'));
  expect(reopen().texts('one')).toEqual(['first']);
  // Nor is one from the middle of another file.
  writeSync(file, 'keygate', 4096);
  expect(reopen().texts('one')).toEqual([]);
});

test('once another process commits on top of a base, no group of it stands; that process gets those that were written before', async () => {
  fenceAhead(path, 'another');
  const ahead = open();
  expect([await ahead.append('before'), ahead.stands(), await ahead.append('between')]).toEqual(['stands', true, 'stands']);
  const meanwhile = ahead.append('meanwhile');
  expect(fenceAhead(path, 'one')).toEqual(['before', 'between', 'meanwhile']);
  expect([await meanwhile, ahead.stands()]).toEqual(['fenced', false]);
  expect(ahead.texts('one')).toEqual(['before', 'between']);
  // It is there for all that, and taken back where those who wait for it are told that it failed.
  expect(fenceAhead(path, 'one')).toEqual(['before', 'between', 'meanwhile']);
  ahead.withdraw();
  expect(fenceAhead(path, 'one')).toEqual(['before', 'between']);
  // From then on nothing is written.
  expect(await ahead.append('after')).toBe('fenced');
  expect(fenceAhead(path, 'one')).toEqual(['before', 'between']);
});

test('nor once the store has another mark, whoever fenced last', async () => {
  const ahead = open();
  fenceAhead(path, 'one');
  now = 'two';
  fenceAhead(path, 'two');
  expect([ahead.stands(), await ahead.append('late')]).toEqual([false, 'fenced']);
  // Neither does one that begins with what the store no longer is.
  ahead.begin('one');
  expect([ahead.stands(), await ahead.append('later')]).toEqual([false, 'fenced']);
  ahead.begin('two');
  // That fence may be of a process that is about to commit.
  expect(ahead.stands()).toBe(false);
  now = 'three';
  ahead.begin('three');
  expect(ahead.stands()).toBe(true);
});

test('a fence that cannot be read may be on any base', () => {
  const ahead = open();
  fenceAhead(path, 'another');
  ahead.begin('one');
  expect(ahead.stands()).toBe(true);
  const file = openSync(path, 'r+');
  for (const at of [2, 0]) {
    writeSync(file, 'x', at);
    ahead.begin('one');
    expect(ahead.stands()).toBe(false);
  }
});

test('without a file nothing is ahead, and none is made', () => {
  expect(fenceAhead(path, 'one')).toEqual([]);
  expect(() => statSync(path)).toThrow('ENOENT');
});

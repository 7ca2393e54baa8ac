import { describe, expect, it } from 'vitest';
import { lowestVersion, mergeCapabilities, mergeInstructions, sharedVersions } from '../../src/domain/merge-greetings.ts';

const of = (...results: unknown[]) => results.map((result, at) => ({ upstream: `u${at}`, result }));

describe('mergeCapabilities', () => {
  it('is all that any of them can, and nothing that cannot be kept for several', () => {
    const merged = mergeCapabilities(
      of(
        {
          capabilities: {
            tools: { listChanged: false },
            tasks: { list: {} },
            experimental: { x: {} },
            extensions: { 'io.modelcontextprotocol/tasks': {}, 'example.com/own': {} },
          },
        },
        {
          capabilities: {
            tools: { listChanged: true, odd: 'text' },
            resources: {},
            logging: {},
            tasks: { requests: { tools: { call: {} } } },
          },
        },
        { capabilities: { resources: { subscribe: true }, completions: {} } },
      ),
    );
    expect(merged).toEqual({
      tools: { listChanged: true },
      resources: { subscribe: true },
      logging: {},
      completions: {},
      tasks: { list: {}, requests: { tools: { call: {} } } },
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    });
  });

  it('what is none stays none, whatever it is called', () => {
    const odd = of(
      null,
      5,
      [],
      { capabilities: null },
      { capabilities: [] },
      JSON.parse('{"capabilities":{"__proto__":{"tools":{}},"tools":7}}'),
    );
    expect(mergeCapabilities(odd)).toEqual({});
    expect(({} as Record<string, unknown>).tools).toBeUndefined();
  });
});

it('the oldest version wins, and a text that is no version counts for nothing', () => {
  expect(lowestVersion(of({ protocolVersion: '2025-11-25' }, { protocolVersion: '2025-03-26' }, { protocolVersion: '2025-06-18' }))).toBe(
    '2025-03-26',
  );
  expect(lowestVersion(of({ protocolVersion: 'evil\r\nx' }, { protocolVersion: 7 }, {}))).toBeUndefined();
});

it('shared versions are those of all', () => {
  const offers = (...supportedVersions: unknown[]) => ({ supportedVersions });
  expect(sharedVersions(of(offers('2026-07-28', '2027-01-01', 5), offers('2027-01-01', '2026-07-28')))).toEqual([
    '2026-07-28',
    '2027-01-01',
  ]);
  expect(sharedVersions(of(offers('2026-07-28'), {}))).toEqual([]);
  expect(sharedVersions([])).toEqual([]);
});

it('instructions stand under the names of those who give them', () => {
  expect(mergeInstructions(of({ instructions: 'One.' }, {}, { instructions: 'Three.' }))).toBe(
    '# u0 (names begin with u0__)\n\nOne.\n\n# u2 (names begin with u2__)\n\nThree.',
  );
  expect(mergeInstructions(of({}, { instructions: '' }))).toBeUndefined();
});

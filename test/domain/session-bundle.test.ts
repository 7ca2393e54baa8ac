import { describe, expect, it } from 'vitest';
import { readBundle, writeBundle } from '../../src/domain/session-bundle.ts';

describe('the session of several upstreams', () => {
  it('is read as it was written, in its order', () => {
    const bundle = new Map([
      ['wiki', { version: '2025-11-25', sealed: 'AbC-_9' }],
      ['docs_2', { version: '2025-03-26', sealed: '' }],
      ['9-x', { version: '', sealed: 'Z' }],
    ]);
    const text = writeBundle(bundle);
    // Visible ASCII, as a session id must be (MCP 2025-11-25, session management).
    expect(text).toMatch(/^[\x21-\x7e]+$/);
    expect([...(readBundle(text) ?? [])]).toEqual([...bundle]);
  });

  it.each([
    '',
    '~',
    'wiki',
    'wiki.x',
    'wiki..A~',
    'wiki..A~wiki..B',
    'Wiki..A',
    'wiki.2025-11-25.A B',
    'wiki.v1.A',
    '__proto__..A',
    'wiki..A.B',
  ])('%j is none', (text) => expect(readBundle(text)).toBeUndefined());
});

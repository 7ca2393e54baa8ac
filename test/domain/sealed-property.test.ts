import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMicros, microsMax, parseMicros } from '../../src/domain/money.ts';
import { createSeal, type SealPurpose } from '../../src/domain/seal.ts';
import { readBundle, type SubSession, writeBundle } from '../../src/domain/session-bundle.ts';
import { uriPrefixesOf, uriPrefixOf } from '../../src/domain/uri-prefix.ts';

const seal = createSeal({ secrets: ['s'.repeat(40), 'o'.repeat(40)], random: randomBytes });
const purpose = fc.constantFrom<SealPurpose>('session', 'event', 'request', 'totp', 'task', 'state', 'cursor', 'stream');
const bound = fc.array(fc.string({ maxLength: 12 }), { maxLength: 4 });

describe('what is sealed', () => {
  it('opens for the same purpose and binding, and for no other: not where two bindings are joined otherwise', () => {
    fc.assert(
      fc.property(purpose, bound, purpose, bound, fc.string({ unit: 'grapheme', maxLength: 60 }), (own, mine, other, theirs, plain) => {
        const sealed = seal.seal({ purpose: own, bound: mine, plain });
        expect(seal.open({ purpose: own, bound: mine, sealed })).toBe(plain);
        const same = own === other && JSON.stringify(mine) === JSON.stringify(theirs);
        if (!same) expect(seal.open({ purpose: other, bound: theirs, sealed })).toBeUndefined();
      }),
    );
  });

  it('does not open once a character was changed, added or taken away, and junk opens never', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const edit = fc.record({ at: fc.nat(), by: fc.constantFrom('', ...alphabet), cut: fc.integer({ min: 0, max: 3 }) });
    fc.assert(
      fc.property(purpose, bound, fc.string({ maxLength: 40 }), edit, (own, mine, plain, { at, by, cut }) => {
        const sealed = seal.seal({ purpose: own, bound: mine, plain });
        const place = at % (sealed.length + 1);
        const edited = sealed.slice(0, place) + by + sealed.slice(place + cut);
        if (edited !== sealed) expect(seal.open({ purpose: own, bound: mine, sealed: edited })).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(
        purpose,
        bound,
        fc.string({ unit: 'binary' }),
        (own, mine, sealed) => seal.open({ purpose: own, bound: mine, sealed }) === undefined,
      ),
    );
  });
});

describe('the session of several upstreams', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/);
  const sub: fc.Arbitrary<SubSession> = fc.record({
    version: fc.constantFrom('', '2025-11-25', '2025-03-26'),
    sealed: fc.stringMatching(/^[A-Za-z0-9_-]{0,40}$/),
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, sub), { minLength: 1, maxLength: 6, selector: ([each]) => each }), (parts) => {
        const read = readBundle(writeBundle(new Map(parts)));
        expect(read && [...read]).toEqual(parts);
      }),
    );
  });

  it('whatever text is read is written as it came, so it can be read in one way only', () => {
    const text = fc.array(fc.constantFrom('wiki', '.', '~', 'A', '-', '_', '2025-11-25', ' ', '9', 'é', ''), { maxLength: 14 });
    fc.assert(
      fc.property(text, (parts) => {
        const joined = parts.join('');
        const read = readBundle(joined);
        if (read) expect(writeBundle(read)).toBe(joined);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('prefixes of URIs', () => {
  it('of two upstreams none begins with the other, so a URI belongs to one', () => {
    // Names as the configuration takes them: without a double underscore, and none at the end.
    const name = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]|_[a-z0-9]){0,12}$/);
    fc.assert(
      fc.property(name, name, fc.webUrl(), (one, other, uri) => {
        fc.pre(one !== other);
        const prefixed = uriPrefixOf(one) + uri;
        expect(uriPrefixesOf(other).filter((prefix) => prefixed.startsWith(prefix))).toEqual([]);
        expect(URL.canParse(prefixed)).toBe(true);
      }),
    );
  });
});

describe('money', () => {
  it('is read back as it was written, and written back as it was read', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: microsMax }), (micros) => parseMicros(formatMicros(micros)) === micros));
    const text = fc.array(fc.constantFrom(...'0123456789.+-e, '), { maxLength: 14 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (written) => {
        const micros = parseMicros(written);
        if (micros === undefined) return;
        expect(written).toMatch(/^(?:0|[1-9][0-9]*)(?:\.[0-9]{1,6})?$/);
        expect(Number(formatMicros(micros))).toBe(Number(written));
      }),
      { numRuns: 2_000 },
    );
  });
});

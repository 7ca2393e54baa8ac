import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAccessTokens } from '../../../src/adapters/callers/access-tokens.ts';
import { start, steppedClock } from '../../ports/subject.ts';
import { part, tokenSigner } from './signer.ts';

const url = 'http://127.0.0.1:8080';
const iat = start / 1000;
const signer = tokenSigner();
const header = { alg: 'ES256', typ: 'at+jwt', kid: signer.kid };
const claims = { iss: url, aud: url, sub: 'AbCd1234', jti: 'token-1', iat, exp: iat + 300 };

function tokens(options: { goodMax?: number; badMax?: number } = {}) {
  const clock = steppedClock();
  let jwks = { keys: [signer.jwk] };
  let issuer = url;
  const verifier = createAccessTokens(
    { issuer: () => issuer, jwks: () => jwks, clock },
    { goodMax: options.goodMax ?? 10, badMax: options.badMax ?? 10 },
  );
  return {
    clock,
    verify: verifier.verify,
    trust(change: { jwks?: typeof jwks; issuer?: string }) {
      jwks = change.jwks ?? jwks;
      issuer = change.issuer ?? issuer;
    },
  };
}

const signed = (more: { header?: object; claims?: object } = {}) =>
  signer.raw(JSON.stringify({ ...header, ...more.header }), JSON.stringify({ ...claims, ...more.claims }));

describe('a token of this gateway', () => {
  it('says whom it speaks for', async () => {
    expect(await tokens().verify(signed())).toEqual({ id: 'token-1', keyId: 'AbCd1234', issuedAt: start, expiresAt: start + 300_000 });
    expect(await tokens().verify(signed({ claims: { scope: 'read:wiki write:wiki', binding: '0123456789abcdef' } }))).toMatchObject({
      scopes: ['read:wiki', 'write:wiki'],
      binding: '0123456789abcdef',
    });
  });

  it('is read, and judged elsewhere, when it has ended', async () => {
    const { verify, clock } = tokens();
    clock.step(86_400_000);
    expect(await verify(signed())).toMatchObject({ expiresAt: start + 300_000 });
  });

  it('is not believed before its time, and is later', async () => {
    const { verify, clock } = tokens();
    const early = signed({ claims: { iat: iat + 120, exp: iat + 300 } });
    expect(await verify(early)).toBeUndefined();
    clock.step(60_000);
    expect(await verify(early)).toMatchObject({ id: 'token-1' });
  });

  it('is forgotten when the public URL or the keys change', async () => {
    const { verify, trust } = tokens();
    expect(await verify(signed())).toBeDefined();
    trust({ issuer: 'https://gate.example.com' });
    expect(await verify(signed())).toBeUndefined();
    trust({ issuer: url });
    expect(await verify(signed())).toBeDefined();
    trust({ jwks: { keys: [tokenSigner().jwk] } });
    expect(await verify(signed())).toBeUndefined();
    trust({ jwks: { keys: [tokenSigner().jwk, signer.jwk] } });
    expect(await verify(signed())).toBeDefined();
  });

  it('is one object while it is remembered, within the bound', async () => {
    const { verify } = tokens({ goodMax: 2 });
    const texts = ['a', 'b', 'c'].map((jti) => signed({ claims: { jti } }));
    const first = await verify(texts[0] ?? '');
    expect(await verify(texts[0] ?? '')).toBe(first);
    for (const text of texts) await verify(text);
    expect(await verify(texts[0] ?? '')).not.toBe(first);
    expect(await verify(texts[0] ?? '')).toEqual(first);
  });
});

describe('A39: no other JWT is believed', () => {
  const publicPem = signer.publicKey.export({ type: 'spki', format: 'pem' });
  const hs256 = (secret: string | Buffer) => {
    const text = `${part(JSON.stringify({ ...header, alg: 'HS256' }))}.${part(JSON.stringify(claims))}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const stranger = tokenSigner();
  const payload = (members: string) => JSON.stringify(claims).replace(`"exp":${claims.exp}`, members);
  const cases: [what: string, text: string][] = [
    ['alg none, no signature', `${part(JSON.stringify({ ...header, alg: 'none' }))}.${part(JSON.stringify(claims))}.`],
    ['alg none, a signature', signed({ header: { alg: 'none' } })],
    ['alg None', signed({ header: { alg: 'None' } })],
    ['HS256 with the public key as secret', hs256(publicPem as string)],
    ['HS256 with the public JWK as secret', hs256(JSON.stringify(signer.jwk))],
    ['another algorithm named', signed({ header: { alg: 'ES384' } })],
    ['a key of its own in jwk', stranger.raw(JSON.stringify({ ...header, jwk: stranger.jwk }), JSON.stringify(claims))],
    ['jwk beside a right signature', signed({ header: { jwk: stranger.jwk } })],
    ['jku', signed({ header: { jku: 'http://127.0.0.1:9/jwks.json' } })],
    ['x5u', signed({ header: { x5u: 'http://127.0.0.1:9/cert.pem' } })],
    ['crit', signed({ header: { crit: ['exp'] } })],
    ['a known kid, a stranger’s signature', stranger.raw(JSON.stringify(header), JSON.stringify(claims))],
    ['an unknown kid', stranger.raw(JSON.stringify({ ...header, kid: stranger.kid }), JSON.stringify(claims))],
    ['a kid with a path', signed({ header: { kid: '../../etc/passwd' } })],
    ['no kid', signer.raw(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', cty: 'JWT' }), JSON.stringify(claims))],
    ['an assertion for an upstream', signed({ header: { typ: 'JWT' } })],
    ['no typ', signer.raw(JSON.stringify({ alg: 'ES256', kid: signer.kid }), JSON.stringify(claims))],
    ['exp as a string', signer.raw(JSON.stringify(header), payload(`"exp":"${claims.exp}"`))],
    ['exp 1e400', signer.raw(JSON.stringify(header), payload('"exp":1e400'))],
    ['exp negative', signed({ claims: { exp: -1 } })],
    ['exp a fraction', signed({ claims: { exp: iat + 0.5 } })],
    ['exp before iat', signed({ claims: { exp: iat } })],
    ['a longer life than tokens get', signed({ claims: { exp: iat + 301 } })],
    ['no exp', signed({ claims: { exp: undefined } })],
    ['no iat', signed({ claims: { iat: undefined } })],
    ['another audience', signed({ claims: { aud: 'http://127.0.0.1:9001/mcp' } })],
    ['a list of audiences', signed({ claims: { aud: [url] } })],
    ['another issuer', signed({ claims: { iss: 'http://127.0.0.1:8081' } })],
    ['no subject', signed({ claims: { sub: undefined } })],
    ['a subject that is no key id', signed({ claims: { sub: '__proto__' } })],
    ['an empty scope', signed({ claims: { scope: '' } })],
    ['a scope that is a list', signed({ claims: { scope: ['read'] } })],
    ['a payload that is a list', signer.raw(JSON.stringify(header), '[]')],
    ['a payload that is no JSON', signer.raw(JSON.stringify(header), 'x')],
    ['five parts', `${signed()}.a.b`],
    ['padding', `${signed()}=`],
    ['white space', ` ${signed()}`],
    ['a changed payload', signed().replace(/\.[^.]+\./, `.${part(JSON.stringify({ ...claims, sub: 'ZZZZ9999' }))}.`)],
    ['a megabyte', `${signed()}${'A'.repeat(1_000_000)}`],
    ['nothing', '..'],
  ];

  it.each(cases)('%s', async (_what, text) => {
    const { verify } = tokens();
    expect(await verify(text)).toBeUndefined();
    expect(await verify(text)).toBeUndefined();
  });

  it('a flood of bad ones evicts no good one', async () => {
    const { verify } = tokens({ goodMax: 1, badMax: 3 });
    const text = signed();
    const good = await verify(text);
    for (let at = 0; at < 20; at += 1) await verify(stranger.raw(JSON.stringify(header), JSON.stringify({ ...claims, jti: String(at) })));
    expect(await verify(text)).toBe(good);
  });
});

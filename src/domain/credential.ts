import { createHash, createHmac } from 'node:crypto';
import type { Environment } from './key.ts';

/**
 * The text of an agent key: `<prefix>_<live|test>_<id8>_<secret43><crc6>`, base62. A prefix and a checksum let secret scanners find leaked
 * keys without false alarms, and let the gateway reject junk before any look-up.
 */
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const base = 62n;
const secretBytes = 32;
const idCharacters = 8;
/** 62^43 is the first power of 62 above 2^256. */
const secretCharacters = 43;
/** 62^6 is the first power of 62 above 2^32. */
const checksumCharacters = 6;
/** `_<secret><checksum>`. */
const tailCharacters = 1 + secretCharacters + checksumCharacters;
/** `_live_<id>_<secret><checksum>`, all after the prefix. */
const bodyCharacters = 6 + idCharacters + tailCharacters;
const bodyForm = /^_(live|test)_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}$/;

/** @param options.id from `randomId` @param options.secret 32 bytes from a cryptographic source @throws Error where either is malformed */
export function composeKey(options: { prefix: string; environment: Environment; id: string; secret: Uint8Array }): string {
  const { prefix, environment, id, secret } = options;
  if (secret.length !== secretBytes) throw new Error(`a key's secret is ${secretBytes} bytes`);
  if (!/^[0-9A-Za-z]{8}$/.test(id)) throw new Error(`a key's id is ${idCharacters} base62 characters`);
  const text = `${prefix}_${environment}_${id}_${base62(toInteger(secret), secretCharacters)}`;
  return text + checksum(text);
}

/** What a key's text says of itself, or undefined where it is none of this prefix or its checksum is wrong. Says nothing about whether it was ever minted. */
export function readKey(text: string, prefix: string): { environment: Environment; id: string } | undefined {
  // The length first, so that a megabyte of junk costs nothing (A40).
  if (text.length !== prefix.length + bodyCharacters || !text.startsWith(prefix)) return undefined;
  const match = bodyForm.exec(text.slice(prefix.length));
  if (!match || checksum(text.slice(0, -checksumCharacters)) !== text.slice(-checksumCharacters)) return undefined;
  return { environment: match[1] === 'live' ? 'live' : 'test', id: match[2] ?? '' };
}

/** What may be shown of a key: `kg_live_AbCd1234`, and the last four characters, which belong to the checksum and give nothing of the secret away. */
export function displayOf(key: string): { prefix: string; last4: string } {
  return { prefix: key.slice(0, -tailCharacters), last4: key.slice(-4) };
}

/** HMAC-SHA-256 (RFC 2104) of the whole key under the pepper, hex. A slow hash would buy nothing at 256 bits of secret. */
export function digestKey(key: string, pepper: string): string {
  return createHmac('sha256', pepper).update(key).digest('hex');
}

/** Names a pepper without giving it away: the first 8 hex digits of a SHA-256. */
export function pepperId(pepper: string): string {
  return createHash('sha256').update(`keygate-pepper-id${pepper}`).digest('hex').slice(0, 8);
}

/**
 * Eight base62 characters. @param bytes at least 16 random ones: 2^128 is so far above 62^8 that the remainder's bias is below 2^-80
 * @throws Error for fewer bytes
 */
export function randomId(bytes: Uint8Array): string {
  if (bytes.length < 16) throw new Error('a key id is made of at least 16 random bytes');
  return base62(toInteger(bytes) % base ** BigInt(idCharacters), idCharacters);
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function base62(value: bigint, characters: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= base) text = alphabet.charAt(Number(rest % base)) + text;
  return text.padStart(characters, '0');
}

/** Six base62 characters of the CRC-32 over the text, which is ASCII where it can be right. */
function checksum(text: string): string {
  let rest = crc32(text);
  let characters = '';
  for (let at = 0; at < checksumCharacters; at += 1) {
    characters = alphabet.charAt(rest % 62) + characters;
    rest = Math.floor(rest / 62);
  }
  return characters;
}

/** Remainders of all bytes for the polynomial of IEEE 802.3, bits reversed (RFC 1952 section 8). */
const remainders: Readonly<Uint32Array> = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(text: string): number {
  let value = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) value = (remainders[(value ^ text.charCodeAt(at)) & 0xff] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

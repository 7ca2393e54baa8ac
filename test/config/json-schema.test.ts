import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { configJsonSchema } from '../../src/config/json-schema.ts';

const folder = join(import.meta.dirname, '..', '..', 'config');

describe('configJsonSchema', () => {
  it('is what config/schema.json holds', () => {
    expect(readFileSync(join(folder, 'schema.json'), 'utf8')).toBe(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  });

  it('accepts the default configuration and refuses what an editor should mark', () => {
    const schema = z.fromJSONSchema(configJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    const written: object = parse(readFileSync(join(folder, 'keygate.yaml'), 'utf8'));
    expect(schema.safeParse(written).success).toBe(true);
    expect(schema.safeParse({ ...written, keys: { prefix: 'x' }, limits: { bodyBytesMax: '${SIZE}' } }).success).toBe(true);
    expect(schema.safeParse({ ...written, listn: {} }).success).toBe(false);
    expect(schema.safeParse({ ...written, workers: true }).success).toBe(false);
    expect(schema.safeParse({ upstreams: { a: { url: 'http://h', tools: [{ match: 'x' }] } } }).success).toBe(false);
  });

  it('is named on the first line of the default configuration', () => {
    expect(readFileSync(join(folder, 'keygate.yaml'), 'utf8').split('\n')[0]).toBe('# yaml-language-server: $schema=./schema.json');
  });
});

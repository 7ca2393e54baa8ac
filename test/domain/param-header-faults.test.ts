import { describe, expect, it } from 'vitest';
import { hasSoundParamHeaders } from '../../src/domain/param-header-faults.ts';

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const region = { type: 'string', 'x-mcp-header': 'Region' };

describe('x-mcp-header (A27)', () => {
  it.each([
    ['no schema', undefined],
    ['a schema that is none', true],
    ['none declared', object({ a: { type: 'string' } })],
    ['one', object({ region })],
    ['two of different names', object({ region, zone: { type: 'integer', 'x-mcp-header': 'Zone' } })],
    ['a number, as the conformance suite has it', object({ n: { type: 'number', 'x-mcp-header': 'N' } })],
    ['deeper, through properties', object({ place: object({ region }) })],
    ['a parameter that is called like the keyword', object({ 'x-mcp-header': { type: 'string' }, items: region })],
    [
      'values that look like declarations',
      object({ a: { type: 'object', default: { 'x-mcp-header': 7 }, enum: [{ 'x-mcp-header': '' }] } }),
    ],
    ['a reference to elsewhere, which is text (A28)', object({ a: { $ref: 'http://127.0.0.1:1/schema' } })],
  ])('%s is sound', (_name, schema) => {
    expect(hasSoundParamHeaders(schema)).toBe(true);
  });

  it.each([
    ['empty', object({ a: { type: 'string', 'x-mcp-header': '' } })],
    ['no text', object({ a: { type: 'string', 'x-mcp-header': 1 } })],
    ['with a space', object({ a: { type: 'string', 'x-mcp-header': 'My Region' } })],
    ['with a line break', object({ a: { type: 'string', 'x-mcp-header': 'A\r\nX: y' } })],
    ['with a colon', object({ a: { type: 'string', 'x-mcp-header': 'A:B' } })],
    ['not ASCII', object({ a: { type: 'string', 'x-mcp-header': 'Région' } })],
    ['twice but for case', object({ region, b: { type: 'string', 'x-mcp-header': 'rEGION' } })],
    ['twice at different depths', object({ region, place: object({ region }) })],
    ['on an object', object({ a: { type: 'object', 'x-mcp-header': 'A' } })],
    ['on an array', object({ a: { type: 'array', 'x-mcp-header': 'A' } })],
    ['on a type that is not said', object({ a: { 'x-mcp-header': 'A' } })],
    ['on several types', object({ a: { type: ['string', 'null'], 'x-mcp-header': 'A' } })],
    ['on the whole', object({}, { type: 'string', 'x-mcp-header': 'A' })],
    ['below items', object({ a: { type: 'array', items: region } })],
    ['below anyOf', object({}, { anyOf: [object({ region })] })],
    ['below $defs', object({}, { $defs: { place: region } })],
    ['below patternProperties', object({}, { patternProperties: { properties: region } })],
    ['below a keyword that nobody knows', object({}, { later: { region } })],
  ])('%s is not', (_name, schema) => {
    expect(hasSoundParamHeaders(schema)).toBe(false);
  });
});

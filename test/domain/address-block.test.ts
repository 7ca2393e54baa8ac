import { BlockList, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockContains } from '../../src/domain/address-block.ts';

describe('blockContains', () => {
  it.each([
    ['10.0.0.0/8', '10.1.2.3/32', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.1.2.3', '10.1.2.3/32', true],
    ['10.0.0.0/8', '10.0.0.0/7', false],
    ['10.0.0.0/8', '11.0.0.0/8', false],
    ['0.0.0.0/0', '192.0.2.7', true],
    ['10.255.255.255/8', '10.0.0.1/32', true],
    ['2001:db8::/32', '2001:DB8:1::/48', true],
    ['2001:db8::/32', '2001:db9::/32', false],
    ['::/0', '::1/128', true],
    ['::ffff:0:0/96', '::ffff:192.0.2.1/128', true],
    ['64:ff9b::/96', '64:ff9b::192.0.2.1', true],
    ['1:2:3:4:5:6:7::/112', '1:2:3:4:5:6:7:8', true],
    ['0.0.0.0/0', '::/0', false],
    ['::/0', '0.0.0.0/0', false],
  ])('%s holds %s: %s', (outer, inner, held) => {
    expect(blockContains(outer, inner)).toBe(held);
  });

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.256',
    '1:2:3',
    '1::2::3',
    ':::',
    '::/129',
    '::g',
    '1:2:3:4:5:6:7:8::',
    '10.0.0.0/8/8',
    '01.2.3.4',
  ])('I6: what is no block holds nothing and is in nothing: %j', (text) => {
    expect(blockContains(text, '10.0.0.1')).toBe(false);
    expect(blockContains(text, '::1')).toBe(false);
    expect(blockContains('0.0.0.0/0', text)).toBe(false);
    expect(blockContains('::/0', text)).toBe(false);
  });

  it('agrees with what admits addresses on use', () => {
    const part = fc.constantFrom(0, 1, 10, 127, 128, 255);
    const ipv4 = fc.tuple(part, part, part, part).map((parts) => parts.join('.'));
    const group = fc.constantFrom('0', '1', '8000', 'ffff');
    const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(':'));
    const block = fc.oneof(fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })), fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })));
    fc.assert(
      fc.property(block, block, fc.oneof(ipv4, ipv6), ([outer, outerBits], [inner, innerBits], address) => {
        fc.pre(blockContains(`${outer}/${outerBits}`, `${inner}/${innerBits}`));
        const family = (text: string) => (isIPv4(text) ? 'ipv4' : 'ipv6');
        const holds = (network: string, bits: number, probe: string): boolean => {
          const list = new BlockList();
          list.addSubnet(network, bits, family(network));
          return list.check(probe, family(probe));
        };
        expect(holds(outer, outerBits, inner)).toBe(true);
        if (holds(inner, innerBits, address)) expect(holds(outer, outerBits, address)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { compileGlob } from '../../domain/glob.ts';
import type { KeyRecord } from '../../domain/key.ts';

/** Inside the blocks of the key and of every ancestor that names any (I7). @param line the key and its ancestors */
export function addressTest(line: readonly KeyRecord[]): (address: string) => boolean {
  const lists = line.filter((key) => key.addresses.length > 0).map((key) => blockList(key.addresses));
  if (lists.length === 0) return () => true;
  return (address) => {
    const plain = address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
    const family = isIPv4(plain) ? 'ipv4' : isIPv6(plain) ? 'ipv6' : undefined;
    return family !== undefined && lists.every((list) => list.check(plain, family));
  };
}

function blockList(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of addresses) {
    const [address = '', bits] = block.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** Admitted by the patterns of the key and of every ancestor that names any (I7). */
export function toolTest(line: readonly KeyRecord[]): (tool: string) => boolean {
  const lists = line.filter((key) => key.tools.length > 0).map((key) => key.tools.map((pattern) => compileGlob(pattern, 'name')));
  if (lists.length === 0) return () => true;
  return (tool) => lists.every((patterns) => patterns.some((matches) => matches(tool)));
}

/** An address block (CIDR: RFC 4632; RFC 4291 section 2.3) as numbers, so that blocks can be compared. */
interface AddressBlock {
  readonly bits: 32 | 128;
  /** The network's own bits, as a number of `length` bits. */
  readonly network: bigint;
  readonly length: number;
}

/** Whether every address of one block is in the other. Texts that are no block are in nothing and hold nothing (I6). Families are apart. */
export function blockContains(outer: string, inner: string): boolean {
  const [around, within] = [readBlock(outer), readBlock(inner)];
  if (!around || !within || around.bits !== within.bits || within.length < around.length) return false;
  return within.network >> BigInt(within.length - around.length) === around.network;
}

function readBlock(text: string): AddressBlock | undefined {
  const [address = '', lengthText, ...rest] = text.split('/');
  const value = address.includes(':') ? readIPv6(address) : readIPv4(address);
  if (value === undefined || rest.length > 0) return undefined;
  const bits = address.includes(':') ? 128 : 32;
  const length = lengthText === undefined ? bits : /^(?:0|[1-9][0-9]{0,2})$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  return length <= bits ? { bits, network: value >> BigInt(bits - length), length } : undefined;
}

function readIPv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** RFC 4291 section 2.2: groups of hex digits, one `::` for a run of zeros, and the last 32 bits as IPv4 where written so. */
function readIPv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const read = halves.map(readGroups);
  const [before, after] = read;
  if (before === undefined || (halves.length === 2 && after === undefined)) return undefined;
  const missing = 8 - before.length - (after?.length ?? 0);
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array.from({ length: missing }, () => 0n), ...(after ?? [])];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

function readGroups(text: string): bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  for (const [at, part] of text.split(':').entries()) {
    const isLast = at === text.split(':').length - 1;
    if (isLast && part.includes('.')) {
      const tail = readIPv4(part);
      if (tail === undefined) return undefined;
      groups.push(tail >> 16n, tail & 0xffffn);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

import type { Reading } from './problems.ts';
import { readRedisUrl } from './redis-url.ts';

/** Where keys, ledger and journal live: a folder of this machine, or a Redis that replicas share. The URL may hold a password. */
export type StoreConfig = { readonly kind: 'folder'; readonly folder: string } | { readonly kind: 'redis'; readonly url: string };

/** The store as written; a folder is not made absolute yet. */
export function readStore(text: string): Reading<StoreConfig> {
  const scheme = /^([a-z][a-z0-9+.-]*):(?:\/\/)?/i.exec(text);
  if (scheme?.[1]?.toLowerCase().startsWith('redis')) {
    const reading = readRedisUrl(text);
    return 'value' in reading ? { value: { kind: 'redis', url: reading.value } } : reading;
  }
  if (scheme?.[0].endsWith('//')) return { message: 'must be a folder or a Redis URL', hint: 'such as ./var or redis://127.0.0.1:6379' };
  const isFolder = text !== '' && !text.includes('\0');
  return isFolder ? { value: { kind: 'folder', folder: text } } : { message: 'must be a folder or a Redis URL', hint: 'such as ./var' };
}

import { open } from 'node:fs/promises';
import type { Reading } from './problems.ts';

/**
 * Reads a UTF-8 text file of at most `bytesMax` bytes, without a byte order mark. Reads one byte beyond the limit and no more, so that an
 * endless file ends too. Every failure is a reading without a value; its message never quotes the file.
 */
export async function readText(path: string, bytesMax: number): Promise<Reading<string>> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(bytesMax + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > bytesMax) return { message: `is larger than ${bytesMax / 1024} KiB` };
    return decode(buffer.subarray(0, length));
  } catch (error) {
    return { message: reasonOf(error) };
  }
}

/** What a system error says to an operator. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user';
  if (code === 'EISDIR') return 'is a folder, not a file';
  return `cannot be read (${code || 'unknown reason'})`;
}

function decode(bytes: Uint8Array): Reading<string> {
  try {
    return { value: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { message: 'is not UTF-8 text' };
  }
}

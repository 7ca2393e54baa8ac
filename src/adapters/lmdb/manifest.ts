import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from '../../domain/record.ts';

/** The append-only list of checkpoints beside the database: it outlives a cut tail and a database put back to an older state. */
export interface Manifest {
  /** Resolved once the checkpoints are on the disk. */
  append(checkpoints: readonly Checkpoint[]): Promise<void>;
  /** Every checkpoint; lines that a crash cut short are skipped. */
  read(): Checkpoint[];
}

/** The manifest of a store's folder, whose file must exist. */
export function createManifest(folder: string): Manifest {
  return { append: (checkpoints) => append(folder, checkpoints), read: () => read(folder) };
}

export function manifestFile(folder: string): string {
  return join(folder, 'checkpoints.jsonl');
}

async function append(folder: string, checkpoints: readonly Checkpoint[]): Promise<void> {
  const file = await open(manifestFile(folder), 'a+', 0o600);
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    // A crash may have cut the last line short; the next one begins on its own line all the same.
    const begin = size > 0 && buffer.toString() !== '\n' ? '\n' : '';
    await file.appendFile(begin + checkpoints.map((checkpoint) => `${JSON.stringify(checkpoint)}\n`).join(''));
    await file.datasync();
  } finally {
    await file.close();
  }
}

function read(folder: string): Checkpoint[] {
  return readFileSync(manifestFile(folder), 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        const checkpoint: unknown = JSON.parse(line);
        return typeof checkpoint === 'object' && checkpoint !== null ? [checkpoint as Checkpoint] : [];
      } catch {
        return [];
      }
    });
}

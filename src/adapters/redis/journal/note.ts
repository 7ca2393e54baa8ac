import type { Connection } from '../connection.ts';
import { loadScript } from '../scripts.ts';
import { archiveNames } from './names.ts';

/** What Redis itself remembers of the archive: by it another archive, an empty one, or a cut one is told apart. */
export interface Note {
  readonly archive: string;
  readonly number: number;
  /** SHA-256 over the last line of that segment. */
  readonly line: string;
  /** The last segment that was pruned, and the position of its last record; 0 where none was. */
  readonly pruned: number;
  readonly position: number;
}

export interface Notes {
  read(): Promise<Note | undefined>;
  /**
   * Notes a newer segment, where the note is still the one it follows.
   * @returns `moved` where another sealer noted another segment first, `other` for another archive's note, `gone` where there is none
   */
  advance(
    from: Pick<Note, 'archive' | 'number' | 'line'>,
    to: { number: number; line: string },
  ): Promise<'ok' | 'moved' | 'other' | 'gone'>;
  /** Notes up to where the journal is pruned, so that readers need not ask the archive. */
  prune(pruned: number, position: number): Promise<void>;
}

export function createNotes(connection: Connection): Notes {
  const script = loadScript('archive-note');
  return {
    read: async () => {
      const { archive, number, line, pruned, position } = await connection.client.hgetall(archiveNames.note);
      if (archive === undefined) return undefined;
      const [noted, ...rest] = [number, pruned ?? '0', position ?? '0'].map(Number);
      if (noted === undefined || ![noted, ...rest].every((one) => Number.isSafeInteger(one) && one >= 0)) {
        throw new Error(
          `${archiveNames.note} in Redis was changed: its numbers cannot be read. The journal is not sealed until they are put right.`,
        );
      }
      return { archive, number: noted, line: line ?? '', pruned: rest[0] ?? 0, position: rest[1] ?? 0 };
    },
    advance: async ({ archive, number, line }, to) => {
      const args = [archive, String(number), line, String(to.number), to.line];
      return (await connection.run(script, [archiveNames.note], args)) as 'ok' | 'moved' | 'other' | 'gone';
    },
    prune: async (pruned, position) => {
      await connection.client.hset(archiveNames.note, { pruned, position });
    },
  };
}

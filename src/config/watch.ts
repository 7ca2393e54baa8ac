import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, realpathSync, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Sources are small; a larger file is told apart by its size and time, so that no reload reads gigabytes. */
const hashedBytesMax = 2 * 1024 * 1024;

/**
 * Calls `onChange` after the content of a source has changed, appeared or vanished. Folders are watched and not files, because editors and
 * Kubernetes replace files (by rename, or by swapping the `..data` link), which ends a watch on the file itself. Only a different content counts:
 * other files in the same folder, and rewriting the same bytes, do nothing. A folder that is missing is waited for in the nearest one above it.
 *
 * `sources` are absolute paths, asked for again at every look. `settleMs` (milliseconds, default 200) is how long things must be quiet before
 * a look; a look is taken after ten times as long even when they are not. `follow` watches sources that are new since the last look, from their content as
 * it is then: whoever learns of a new source calls it before reading that source. Errors of the file system never throw; a source that cannot be read
 * counts as missing.
 */
export function watchConfig(options: { sources: () => readonly string[]; onChange: () => void; settleMs?: number }): Watching {
  const { sources, onChange, settleMs = 200 } = options;
  const folders = new Map<string, Watched>();
  let seen = contentsOf(sources());
  let timer: NodeJS.Timeout | undefined;
  let firstEventAt = 0;

  const look = (): void => {
    timer = undefined;
    const paths = sources();
    follow(paths);
    const now = contentsOf(paths);
    const changed = paths.some((path) => now.get(path) !== seen.get(path));
    seen = now;
    if (changed) onChange();
  };
  const stir = (): void => {
    const now = performance.now();
    if (timer === undefined) firstEventAt = now;
    clearTimeout(timer);
    timer = setTimeout(look, Math.max(0, Math.min(settleMs, firstEventAt + 10 * settleMs - now)));
    timer.unref();
  };
  const follow = (paths: readonly string[]): void => {
    const wanted = foldersOf(paths);
    for (const [folder, watched] of folders) {
      // A folder that was removed and made again has another identity, and the old watch is deaf.
      if (wanted.has(folder) && watched.identity === identityOf(folder)) continue;
      watched.watcher.close();
      folders.delete(folder);
    }
    for (const [folder, names] of wanted) {
      const known = folders.get(folder);
      if (known) known.names = names;
      else {
        const opened = open(folder, names, stir);
        if (opened) folders.set(folder, opened);
      }
    }
  };

  follow(sources());
  return {
    follow() {
      const paths = sources();
      follow(paths);
      for (const path of paths) if (!seen.has(path)) seen.set(path, contentOf(path));
    },
    close() {
      clearTimeout(timer);
      for (const { watcher } of folders.values()) watcher.close();
      folders.clear();
    },
  };
}

interface Watching {
  follow(): void;
  close(): void;
}

interface Watched {
  readonly watcher: FSWatcher;
  readonly identity: string;
  /** Names in the folder that matter; undefined = all. */
  names: ReadonlySet<string> | undefined;
}

function open(folder: string, names: Watched['names'], stir: () => void): Watched | undefined {
  const identity = identityOf(folder);
  if (identity === undefined) return undefined;
  try {
    const watcher = watch(folder, { persistent: false });
    const watched: Watched = { watcher, identity, names };
    watcher.on('change', (_type, name) => {
      // A store may write beside the sources many times a second; its files must not cost a look each.
      if (watched.names === undefined || name === null || watched.names.has(String(name)) || isStructural(String(name), folder)) stir();
    });
    watcher.on('error', stir);
    return watched;
  } catch {
    return undefined;
  }
}

/** Kubernetes swaps `..data`; the removal of a folder is reported under the folder's own name. */
function isStructural(name: string, folder: string): boolean {
  return name.startsWith('..') || name === basename(folder);
}

/** The folders to watch: of each source as named and as it really lies (behind links), or the nearest folder above that exists. */
function foldersOf(paths: readonly string[]): Map<string, Set<string> | undefined> {
  const wanted = new Map<string, Set<string> | undefined>();
  for (const path of paths) {
    for (const place of new Set([path, realPath(path)])) {
      const folder = nearestFolder(dirname(place));
      const names = wanted.has(folder) ? wanted.get(folder) : new Set<string>();
      wanted.set(folder, folder === dirname(place) ? names?.add(basename(place)) : undefined);
    }
  }
  return wanted;
}

function nearestFolder(folder: string): string {
  let nearest = folder;
  while (identityOf(nearest) === undefined && dirname(nearest) !== nearest) nearest = dirname(nearest);
  return nearest;
}

function identityOf(folder: string): string | undefined {
  const found = statSync(folder, { throwIfNoEntry: false, bigint: true });
  return found?.isDirectory() ? `${found.dev}:${found.ino}` : undefined;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function contentsOf(paths: readonly string[]): Map<string, string> {
  return new Map(paths.map((path) => [path, contentOf(path)]));
}

function contentOf(path: string): string {
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > hashedBytesMax) return `large:${size}:${mtimeMs}`;
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return 'missing';
  }
}

import { setFlagsFromString } from 'node:v8';

/**
 * V8 collects everything once buffers of so many bytes were made that the heap would have grown by a good part of itself, whether they have long been let go
 * of or not, and has the main thread help each time more are made: with requests of 100 KB, several times a second (measured). Counted together with the heap,
 * as newer versions do, a full collection comes when both have grown by as much as would bring one anyway, and young collections free buffers before.
 * A version that does not know the flag says so on stderr, and goes on.
 */
export function countBuffersWithHeap(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
}

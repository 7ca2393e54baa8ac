const part = /^([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]+)$/;

/** One event id for a stream that several members feed: the newest of each, `<upstream>.<sealed id>` joined by `~`. */
export function joinEventIds(ids: ReadonlyMap<string, string>): string {
  return [...ids].map(([upstream, id]) => `${upstream}.${id}`).join('~');
}

/** Undefined where the text is the id of one member's own stream: a sealed id has no dot. */
export function splitEventIds(text: string): ReadonlyMap<string, string> | undefined {
  if (!text.includes('.')) return undefined;
  const ids = new Map<string, string>();
  for (const each of text.split('~')) {
    const [, upstream = '', id = ''] = part.exec(each) ?? [];
    if (upstream !== '') ids.set(upstream, id);
  }
  return ids;
}

/** One upstream's part of a session that spans several. */
export interface SubSession {
  /** The protocol version it was begun with. */
  readonly version: string;
  /** Its sealed session id; empty where the upstream gave none. */
  readonly sealed: string;
}

/** By upstream. */
export type SessionBundle = ReadonlyMap<string, SubSession>;

const part = /^([a-z0-9][a-z0-9_-]{0,62})\.([0-9-]{0,10})\.([A-Za-z0-9_-]*)$/;

/**
 * The session id of a path over several upstreams: `<upstream>.<version>.<sealed id>`, joined by `~`, so any replica can read it (I9). It is
 * not sealed as a whole: each sealed id is bound to its key, path and upstream already, and what stands beside it is no secret and no right.
 */
export function writeBundle(bundle: SessionBundle): string {
  return [...bundle].map(([upstream, { version, sealed }]) => `${upstream}.${version}.${sealed}`).join('~');
}

/** Undefined where the text is no bundle. */
export function readBundle(text: string): SessionBundle | undefined {
  const bundle = new Map<string, SubSession>();
  for (const each of text.split('~')) {
    const [, upstream = '', version = '', sealed = ''] = part.exec(each) ?? [];
    if (upstream === '' || bundle.has(upstream)) return undefined;
    bundle.set(upstream, { version, sealed });
  }
  return bundle;
}

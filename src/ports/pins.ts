import type { RecordFacts } from '../domain/record.ts';
import type { ToolPin } from '../domain/tool-pin.ts';

/** Where pins of tools live: in the shared store, so that what one replica saw changed is refused by all (I9). Tools may have any name. */
export interface Pins {
  /** A number that grows with every pin of the upstream that any process puts; 0 where there is none. Cheap. */
  revision(upstream: string): Promise<number>;
  /** Every pin of the upstream, without the texts of definitions, in no order. At least as new as any revision() that was answered before. */
  of(upstream: string): Promise<ToolPin[]>;
  /** One pin with its texts. */
  get(upstream: string, tool: string): Promise<ToolPin | undefined>;
  /**
   * Puts the pin where the stored revision is `expected` (0 = there is none yet), in one commit with its journal record; false where it is not.
   * @throws Error where the pin's revision does not follow
   */
  put(options: { pin: ToolPin; expected: number; record: RecordFacts }): Promise<boolean>;
}

import { accountOperations } from './accounts.ts';
import { explainOperation } from './explain.ts';
import { journalOperations } from './journal.ts';
import { keyActOperations } from './key-acts.ts';
import { keyOperations } from './keys.ts';
import { leakOperation } from './leaks.ts';
import { meOperation } from './me.ts';
import type { Operation } from './operation.ts';
import { stepUpOperations } from './step-up.ts';
import { tokenOperation } from './token.ts';
import { toolOperations } from './tools.ts';
import { upstreamsOperation } from './upstreams.ts';
import { usageOperation } from './usage.ts';
import { verifyOperation } from './verify.ts';

/** Every operation of the API, in the order of the document. */
export function apiOperations(): readonly Operation[] {
  return [
    ...keyOperations,
    ...keyActOperations,
    ...stepUpOperations,
    verifyOperation,
    explainOperation,
    meOperation,
    tokenOperation,
    ...accountOperations,
    usageOperation,
    ...journalOperations(),
    upstreamsOperation,
    ...toolOperations,
    leakOperation,
  ];
}

import { afterAll, beforeAll } from 'vitest';
import { budgetsContract } from '../../ports/budgets-contract.ts';
import { ledgerContract } from '../../ports/ledger-contract.ts';
import { modelContract } from '../../ports/model-contract.ts';
import { totalsContract } from '../../ports/totals-contract.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { openOn } from './open.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
const open = openOn(() => server);

ledgerContract('redis', open);
totalsContract('redis', open);
budgetsContract('redis', open);
modelContract('redis', open, { runs: 30 });

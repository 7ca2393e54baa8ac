import { afterAll, beforeAll } from 'vitest';
import { dutiesContract } from '../../ports/duties-contract.ts';
import { factorsContract } from '../../ports/factors-contract.ts';
import { keyChangesContract } from '../../ports/key-changes-contract.ts';
import { keyringContract } from '../../ports/keyring-contract.ts';
import { pinsContract } from '../../ports/pins-contract.ts';
import { replaysContract } from '../../ports/replays-contract.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { openOn } from './open.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
const open = openOn(() => server, { as: 'gateway' });

keyringContract('redis', open);
keyChangesContract('redis', open);
factorsContract('redis', open);
pinsContract('redis', open);
replaysContract('redis', open);
dutiesContract('redis', open);

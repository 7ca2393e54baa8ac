import { expect, test } from 'vitest';
import { childEnvironment } from '../../../../src/adapters/upstream/stdio/environment.ts';

test('A57: a child gets what every program needs, and what it is given; nothing else of the gateway', () => {
  const gateway = {
    PATH: '/bin',
    HOME: '/root',
    LANG: 'C',
    KEYGATE_ADMIN_KEY: 'x',
    AWS_SECRET_ACCESS_KEY: 'y',
    NODE_OPTIONS: '--inspect',
    path: '/evil',
  };
  expect({ ...childEnvironment(gateway, { TOKEN: 't', HOME: '/data' }) }).toEqual({ PATH: '/bin', HOME: '/data', LANG: 'C', TOKEN: 't' });
});

import { defineConfig } from 'vitest/config';

/** Suites that go through a whole gateway, and so must hold whatever its store is. */
const endToEnd = ['test/e2e/**/*.test.ts', 'test/edges/api/**/*.test.ts', 'test/examples/**/*.test.ts'];

export default defineConfig({
  test: {
    globalSetup: ['test/support/redis-setup.ts', 'test/support/compile-cache-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'embedded', include: ['test/**/*.test.ts'] } },
      { extends: true, test: { name: 'redis', include: endToEnd, env: { KEYGATE_TEST_STORE: 'redis' } } },
    ],
  },
});

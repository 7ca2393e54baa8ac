import { rm } from 'node:fs/promises';
import { createConditions } from '../../src/adapters/condition.ts';
import { requireConfig } from '../../src/compose-store.ts';
import { compilePolicy } from '../../src/config/compile-policy.ts';
import type { Config } from '../../src/config/schema.ts';
import { formatMicros, type Micros } from '../../src/domain/money.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { prepareFolder } from '../support/gateway.ts';
import { toolTerms } from './model.ts';

const scopes = ['read:up', 'trade:up', 'manage:up'] as const;
export const holdMsMax = 20_000;
export const upstreamTimeoutMs = 5_000;

/** The configuration that every simulated gateway has. It is read once: seeds differ in what happens, not in what is configured. */
export async function simulatedPolicy(): Promise<{ config: Config; policy: Policy }> {
  const tools = toolTerms.map(({ prefix, rank, price }) => ({
    match: `${prefix}*`,
    scope: scopes[rank],
    price: formatMicros(price as Micros),
  }));
  const { folder, configFile } = await prepareFolder({
    upstreams: { up: { url: 'http://127.0.0.1:9/mcp', environment: 'live', pinning: { mode: 'off' }, tools } },
    limits: { holdMsMax, upstreamTimeoutMs },
  });
  try {
    const { config } = await requireConfig({ configFile, env: {}, cwd: folder });
    return { config, policy: compilePolicy(config, createConditions().compile) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function scopeOf(rank: number): string {
  return scopes[rank] ?? scopes[0];
}

/** The rank of the widest scope held. */
export function rankOf(held: readonly string[]): number {
  return Math.max(...held.map((scope) => scopes.indexOf(scope as (typeof scopes)[number])));
}

import type { Condition, Policy, Upstream } from '../domain/policy.ts';
import { compileUpstreamPolicy } from '../domain/rule.ts';
import type { Config, UpstreamConfig } from './schema.ts';

/** The configuration as the stages use it: rules compiled once, sets made, nothing left to parse. */
export function compilePolicy(config: Config, compileCondition: (source: string) => Condition): Policy {
  const upstreams = new Map<string, Upstream>();
  for (const upstream of Object.values(config.upstreams)) upstreams.set(upstream.name, compileUpstream(upstream, compileCondition));
  const { host } = new URL(config.publicUrl);
  return {
    publicUrl: config.publicUrl,
    origins: new Set(config.listen.origins),
    hosts: new Set([host, withPort(config.publicUrl)]),
    limits: config.limits,
    upstreams,
  };
}

function compileUpstream(upstream: UpstreamConfig, compileCondition: (source: string) => Condition): Upstream {
  const { name, environment, denials, tools, resources, prompts, methods } = upstream;
  const annotated = tools === 'annotations';
  const sections = { tools: annotated ? [] : tools, resources, prompts, methods };
  return {
    policy: compileUpstreamPolicy({ name, environment, denials, annotated, sections, compileCondition }),
    url: upstream.url,
    credentials: upstream.credentials.flatMap(({ header, value }) => [header, value]),
  };
}

/** Host may spell the default port out (RFC 9110, section 7.2). */
function withPort(url: string): string {
  const { host, port, protocol } = new URL(url);
  return port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host;
}

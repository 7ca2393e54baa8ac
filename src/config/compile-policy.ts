import type { Condition, Endpoint, Policy, Upstream } from '../domain/policy.ts';
import { compileRoutes } from '../domain/route.ts';
import { compileUpstreamPolicy } from '../domain/rule.ts';
import type { Target } from '../domain/target.ts';
import type { Config, EndpointConfig, UpstreamConfig } from './schema.ts';

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
    endpoints: compileEndpoints(config),
  };
}

/** @throws Error where an agent or a bot names no upstream; the configuration's reader reports it before */
function compileEndpoints({ upstreams, agents, bots }: Config): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>();
  for (const name of Object.keys(upstreams)) endpoints.set(name, { kind: 'upstream', upstream: name });
  const add = (kind: 'agent' | 'bot', { name, upstreams, org }: EndpointConfig): void => {
    if (upstreams.length === 0) throw new Error(`${kind} ${name} names no upstream`);
    endpoints.set(name, { kind, id: name, ...(org !== undefined && { org }), upstreams });
  };
  for (const agent of Object.values(agents)) add('agent', agent);
  for (const bot of Object.values(bots)) add('bot', bot);
  return endpoints;
}

function compileUpstream(upstream: UpstreamConfig, compileCondition: (source: string) => Condition): Upstream {
  const { name, environment, denials, tools, resources, prompts, methods, pinning } = upstream;
  const annotated = tools === 'annotations';
  const sections = { tools: annotated ? [] : tools, resources, prompts, methods };
  return {
    ...targetOf(upstream),
    policy: compileUpstreamPolicy({
      ...{ name, environment, denials, annotated, sections, compileCondition },
      pinning,
      routes: upstream.passthrough,
    }),
    url: upstream.url,
    protocol: upstream.protocol,
    credentials: upstream.credentials.flatMap(({ header, value }) => [header, value]),
    breaker: upstream.breaker,
    limits: upstream.limits,
    routes: compileRoutes({ upstream: name, routes: upstream.passthrough, mcpPath: new URL(upstream.url).pathname }),
  };
}

function targetOf({ name, transport, stdio }: UpstreamConfig): Target {
  if (transport !== 'stdio') return { transport };
  if (!stdio) throw new Error(`upstream ${name} has no command`);
  return { transport, command: stdio.command, children: stdio.children };
}

/** Host may spell the default port out (RFC 9110, section 7.2). */
function withPort(url: string): string {
  const { host, port, protocol } = new URL(url);
  return port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host;
}

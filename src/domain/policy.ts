import type { Environment, Per } from './key.ts';
import type { Micros } from './money.ts';
import type { RoutePath } from './route-path.ts';
import type { Target } from './target.ts';
import type { PinTerms } from './tool-pin.ts';
import type { BreakerTerms, UpstreamLimits } from './upstream-terms.ts';

/** What a rule decides about: the section of an upstream's configuration it stands in. */
export type Subject = 'tools' | 'resources' | 'prompts' | 'methods';

/** A condition on a call's arguments, compiled. Throws nothing: an evaluation error or a non-boolean is false (I6). */
export interface Condition {
  readonly source: string;
  /** `args` is the parsed `params.arguments` (an empty object where absent). */
  holds(variables: ConditionVariables): boolean;
}

export interface ConditionVariables {
  readonly args: unknown;
  readonly tool: string;
  readonly key: { readonly id: string; readonly name: string; readonly org: string; readonly agent: string; readonly environment: string };
  /** `time` is a CEL timestamp made from ms since the epoch. */
  readonly request: { readonly time: number; readonly address: string; readonly environment: string };
}

/** One compiled rule. `id` names its place, such as `wiki.tools[0]`, and is what refusals and the journal show. */
export interface Rule {
  readonly id: string;
  readonly subject: Subject | 'passthrough';
  /** The patterns as written. */
  readonly match: readonly string[];
  /** Scopes the key needs: all of them. */
  readonly scopes: readonly string[];
  /** What one call costs; where the upstream reports the cost, the most that it may be. This is what is held. */
  readonly price: Micros;
  /** Present where the upstream reports what a call cost. */
  readonly reported?: ReportedPrice;
  /** What is charged of a call that brought nothing; absent = the whole price, however the call ends. */
  readonly charge?: ChargeTerms;
  readonly lease?: Lease;
  readonly when?: Condition;
  /** Limits on arguments, judged after `when`. */
  readonly limits: readonly RiskLimit[];
  /** Needs a second factor passed a short while ago. */
  readonly stepUp: boolean;
}

/** The upstream states the cost of a call in its result, as `_meta[name]`: a number or a decimal string. */
export interface ReportedPrice {
  readonly name: string;
  /** What is charged where the result states no cost that can be read: the whole price, or nothing. */
  readonly missing: Portion;
}

/** Of the hold: all of it, or nothing. */
export type Portion = 'full' | 'none';

/** What is charged of a call that was sent and brought nothing, by how it ended. */
export interface ChargeTerms {
  /** An HTTP error, or a JSON-RPC error. */
  readonly error: Portion;
  /** A result with `isError`. */
  readonly toolError: Portion;
  /** No answer within the time. */
  readonly timeout: Portion;
  /** No answer at all: the connection was lost, the client left, the hold expired. */
  readonly lost: Portion;
}

/** How much a replica may take from the ledger at once: so many calls, to be used within so many milliseconds. */
export interface Lease {
  readonly calls: number;
  readonly ms: number;
}

/** A risk limit of a rule. Amounts are millionths in safe integers, as money is. `argument` is a dotted path in the call's arguments. */
export type RiskLimit =
  | { readonly kind: 'max'; readonly argument: string; readonly max: number }
  | { readonly kind: 'oneOf'; readonly argument: string; readonly values: readonly (string | number | boolean)[] }
  /** Minutes of the day in the zone, `to` exclusive; `to` before `from` spans midnight. Days 1 (Monday) to 7. */
  | { readonly kind: 'hours'; readonly from: number; readonly to: number; readonly days: readonly number[]; readonly zone: string }
  | { readonly kind: 'total'; readonly argument: string; readonly limit: number; readonly per: Per; readonly zone: string };

/** Sessions (up to 2025-11-25), or 2026-07-28. */
export type Protocol = 'auto' | 'session' | 'stateless';

/** How budget, cap and policy refusals look to the client. */
export type DenialMode = 'jsonrpc' | 'http' | 'tool-error';

/** Everything known about one upstream that decides about calls to it. Compiled once when the configuration is read. */
export interface UpstreamPolicy {
  readonly name: string;
  readonly environment: Environment;
  readonly denials: DenialMode;
  /** Changes whenever any rule of this upstream does: the first 12 hex digits of a SHA-256 over the rules' text. */
  readonly revision: string;
  /** True where no tool rules are written: each tool needs the scope its annotations suggest (a client's own file, imported). */
  readonly annotated: boolean;
  /** What a change of a tool's definition means here. */
  readonly pinning: PinTerms;
  /** Every scope that some rule asks for, once each: what the resource metadata shows (RFC 9728). */
  readonly scopes: readonly string[];
  /** The first rule of the subject that matches, or undefined: no match is a refusal. */
  readonly ruleFor: (subject: Subject, name: string) => Rule | undefined;
}

/** The compiled configuration, swapped whole on reload. */
export interface Policy {
  readonly publicUrl: string;
  readonly origins: ReadonlySet<string>;
  /** Host names (lower case, with port where one is given) that may stand in Host, besides loopback names. */
  readonly hosts: ReadonlySet<string>;
  readonly limits: Limits;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** What stands at `/mcp/<name>`, by name: upstreams, agents and bots share one namespace. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

/** What a path of the data plane leads to: one upstream, those of an agent or a bot, or (`/mcp` itself) all. Names in configuration order. */
export type Endpoint =
  | { readonly kind: 'upstream'; readonly upstream: string }
  | {
      readonly kind: 'agent' | 'bot';
      readonly id: string;
      /** Only keys of this organisation may stand here. */
      readonly org?: string;
      readonly upstreams: readonly string[];
    }
  | { readonly kind: 'all'; readonly upstreams: readonly string[] };

/** Where one request stands: an endpoint, and the one of its upstreams that answers. */
export type Place =
  | { readonly kind: 'upstream'; readonly upstream: string }
  | {
      readonly kind: 'agent' | 'bot' | 'all';
      /** Of the agent or the bot; empty at `/mcp` itself. */
      readonly id: string;
      readonly upstream: string;
      /** `<upstream>__`, which stands before the name of every tool, prompt and resource here. */
      readonly prefix: string;
      /** What stands before URIs here; absent where there is one upstream alone to read them from. */
      readonly uriPrefix?: string;
    };

export type Upstream = Target & {
  readonly policy: UpstreamPolicy;
  /** Where it is: its URL, or `stdio:<name>`. */
  readonly url: string;
  /** Which protocol era it is spoken to in; `auto` finds out. */
  readonly protocol: Protocol;
  /** Flat list: header name, value. The real credential: never logged, never shown (I5). A child has none. */
  readonly credentials: readonly string[];
  /** `false` = it is always called. */
  readonly breaker: BreakerTerms | false;
  readonly limits: UpstreamLimits;
  /** What else of the server may be reached, beside its MCP endpoint. */
  readonly routes: Routes;
};

export interface Route {
  /** Its subject is `passthrough`. */
  readonly rule: Rule;
  readonly websocket: boolean;
  readonly cookies: boolean;
  /** The path as the upstream gets it. */
  readonly rewrite: (path: RoutePath) => string;
}

export type FoundRoute =
  | { readonly kind: 'route'; readonly route: Route; readonly path: string }
  /** The path is declared, for these methods. */
  | { readonly kind: 'method'; readonly allow: readonly string[] }
  | { readonly kind: 'none' };

export interface Routes {
  find(asked: { readonly path: RoutePath; readonly method: string; readonly websocket: boolean }): FoundRoute;
}

/** Units in the names. */
export interface Limits {
  readonly bodyBytesMax: number;
  readonly answerBytesMax: number;
  readonly eventBytesMax: number;
  readonly upstreamTimeoutMs: number;
  readonly holdMsMax: number;
  readonly heartbeatMs: number;
  readonly jsonDepthMax: number;
  readonly jsonNodesMax: number;
  readonly failedAuthPerMinuteMax: number;
  /** Messages of one batch. */
  readonly batchMax: number;
  /** How long an endpoint over many upstreams waits for each of them where it asks them all. */
  readonly aggregateMemberMs: number;
}

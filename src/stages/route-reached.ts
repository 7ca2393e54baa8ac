import type { Endpoint, Route, Rule, UpstreamPolicy } from '../domain/policy.ts';
import type { Caller } from '../ports/callers.ts';
import type { Upgrading } from '../ports/passthrough.ts';
import type { Admission, Arrived, AttemptEnd, Authorized, Reached } from './reached.ts';

/**
 * How far a request for a pass-through route has come. It carries no message, so it has a chain of its own beside that of reached.ts; admit,
 * settle and refuse are the same for both.
 */

export interface RouteArrived extends Arrived {
  /** From the "?" on, or empty. Decides nothing, and is never written down. */
  readonly query: string;
  readonly upgrading?: Upgrading;
}

/** Well-formed HTTP, and what its path names. Whether that exists is judged after the caller is known. */
export interface RouteReceived extends RouteArrived {
  readonly target: { readonly upstream: string; readonly path: string };
  readonly body: Buffer;
}

export interface RouteAuthenticated extends RouteReceived {
  readonly caller: Caller;
}

/** At a declared route of an upstream that this key may stand at, from where it is. */
export interface RouteLocated extends RouteAuthenticated {
  readonly endpoint: Endpoint;
  readonly upstream: UpstreamPolicy;
  readonly route: Route;
  /** As the upstream gets it, without the query. */
  readonly sentPath: string;
}

export interface RouteAuthorized extends RouteLocated, Pick<Authorized, 'subject' | 'price' | 'counts' | 'totals'> {
  readonly intent: { readonly kind: 'route' };
  readonly rule: Rule;
}

export interface RouteAdmitted extends RouteAuthorized, Admission {}

export interface RouteForwarded extends RouteAdmitted, AttemptEnd {}

export type RouteReached =
  | RouteArrived
  | RouteReceived
  | RouteAuthenticated
  | RouteLocated
  | RouteAuthorized
  | RouteAdmitted
  | RouteForwarded;

/** How far a request of either sort has come. */
export type AnyReached = Reached | RouteReached;

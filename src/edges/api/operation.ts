import type { z } from 'zod';
import type { Act } from '../../authority/confine.ts';
import type { Caller } from '../../ports/callers.ts';
import type { Actor } from '../../ports/keyring.ts';
import type { Reply } from '../../ports/reply.ts';
import type { ApiDeps } from './deps.ts';

export type ListenerName = 'admin' | 'data';

/** One authenticated request whose members were all checked. */
export interface Asked<Query, Body> {
  readonly requestId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly address: string;
  readonly listener: ListenerName;
  readonly caller: Caller;
  /** Who asks, for the journal. */
  readonly by: Actor;
  /** The `{id}` of the path; empty where the path has none. */
  readonly id: string;
  /** Every `{name}` of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export type Answer =
  | { readonly status: 200 | 201; readonly body: object }
  /** JSON text that is passed on byte for byte. */
  | { readonly status: 200; readonly text: string }
  /** An answer that goes on; it writes and ends the reply itself. */
  | { readonly stream: (reply: Reply) => Promise<void> };

/** One operation of the API: what the router, the OpenAPI document and the pipeline in answer.ts read. */
export interface Operation {
  readonly verb: 'get' | 'post' | 'patch' | 'delete';
  /** Below /api/v1, with `{id}`, or other names in braces, where it names a thing. */
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly tag: 'keys' | 'accounts' | 'own key' | 'checks' | 'journal' | 'configuration';
  /** What authority/confine.ts judges; absent = any live key may ask. */
  readonly permission?: Act;
  /** It needs the key itself: an access token that ends in minutes must not make secrets that outlive it. */
  readonly keyItself?: boolean;
  /** It changes something, so an operator may be asked for a second factor. */
  readonly changes?: boolean;
  readonly listeners: readonly ListenerName[];
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** The act reads the body itself, since what is left out means something to it; the schema is for the document. */
  readonly bodyAsWritten?: boolean;
  /** An absent body stands for `{}`. */
  readonly bodyOptional?: boolean;
  /** Members of the answer that are shown once: null in a replay. */
  readonly shownOnce?: readonly string[];
  /** It changes nothing, so a repeat with the same Idempotency-Key is answered anew. */
  readonly answersAnew?: boolean;
  readonly success: { readonly status: 200 | 201; readonly schema: z.ZodType; readonly description: string };
  /** Refusals it has beside those that every operation has. */
  readonly refusals: readonly (404 | 409)[];
  act(deps: ApiDeps, asked: Asked<unknown, unknown>): Promise<Answer>;
}

interface TypedOperation<Query extends z.ZodType, Body extends z.ZodType> extends Omit<Operation, 'query' | 'body' | 'act'> {
  readonly query?: Query;
  readonly body?: Body;
  /** With `bodyAsWritten` the body is whatever JSON came, and its type says only what it should be. */
  act(deps: ApiDeps, asked: Asked<z.output<Query>, z.output<Body>>): Promise<Answer>;
}

/** Declares an operation with the types of its own query and body. The pipeline parses both before it calls `act`. */
export function operation<Query extends z.ZodType = z.ZodUndefined, Body extends z.ZodType = z.ZodUndefined>(
  typed: TypedOperation<Query, Body>,
): Operation {
  return typed as unknown as Operation;
}

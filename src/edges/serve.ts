import { STATUS_CODES } from 'node:http';
import { denialTable } from '../domain/denial.ts';
import type { Load } from '../ports/load.ts';
import type { Metrics } from '../ports/observe.ts';
import { type AdminEdge, adminApp } from './admin.ts';
import type { ApiDeps, ApiParts } from './api/deps.ts';
import { type ClientAddress, createClientAddress, createTrust } from './client-address.ts';
import { capConnections } from './connection-cap.ts';
import { arriveAtRoute, type DataEdge, dataApp, serveMessages } from './data-plane.ts';
import type { ConnectionBounds } from './descriptors.ts';
import { type Fetch, listen } from './listen.ts';
import { asksForWebsocket, serveUpgrades } from './route-edge.ts';
import type { UnreadAnswer } from './unread-request.ts';

/** What serving needs of the composed gateway; compose supplies it. */
export interface Served extends Omit<DataEdge, 'clientAddress' | 'api' | 'draining'> {
  readonly api: ApiParts;
  readonly listen: {
    readonly mcp: { readonly host: string; readonly port: number };
    readonly admin: { readonly host: string; readonly port: number };
    readonly trustedProxies: readonly string[];
  };
  /** Whether other processes listen at the same places. */
  readonly reusePort: boolean;
  readonly limits: { headerBytesMax: number; headersTimeoutMs: number; bodyTimeoutMs: number; connectionsPerAddressMax: number };
  readonly connections: ConnectionBounds;
  readonly load: Load;
  readonly metrics: Pick<Metrics, 'connectionRefused'> & { readonly text: () => Promise<string>; readonly contentType: string };
  readonly version: string;
  /** Why the store or anything else keeps this process from serving, or undefined. */
  readonly trouble: () => string | undefined;
  readonly health: AdminEdge['health'];
}

export interface Serving {
  readonly mcpUrl: string;
  readonly adminUrl: string;
  /** From now on `/readyz` says no, so that nothing new is sent here. */
  startDraining(): void;
  /** Takes nothing new; resolves once `busy` has and the last answers are written. */
  closeData(busy: Promise<unknown>): Promise<void>;
  closeAdmin(): Promise<void>;
}

/** Opens both listeners: the data plane for agents, the admin plane for operators; never one socket for both. */
export async function openListeners(served: Served): Promise<Serving> {
  const clientAddress: ClientAddress = createClientAddress(served.listen.trustedProxies);
  let draining = false;
  const notReady = () => (draining ? 'draining' : (served.trouble() ?? served.load.trouble()));
  const api: ApiDeps = {
    ...served.api,
    version: served.version,
    clientAddress,
    adminHost: served.listen.admin.host,
    draining: () => draining,
    load: served.load,
  };
  const admin = await listen({
    fetch: adminApp({ ...served, api, notReady }).fetch as Fetch,
    ...served.listen.admin,
    reusePort: served.reusePort,
    limits: { ...served.limits, connectionsMax: served.connections.admin },
    unread: unreadProblem,
  });
  try {
    const edge: DataEdge = { ...served, api, draining: () => draining, clientAddress: () => clientAddress };
    const data = await listen({
      first: serveMessages(edge),
      fetch: dataApp(edge).fetch as Fetch,
      mayUpgrade: asksForWebsocket,
      ...served.listen.mcp,
      reusePort: served.reusePort,
      limits: { ...served.limits, connectionsMax: served.connections.data },
      unread(status, address) {
        served.api.tally.count('INVALID_MESSAGE', address);
        return unreadMessage(status, served.newId());
      },
    });
    capConnections(data.server, {
      perAddressMax: served.limits.connectionsPerAddressMax,
      isTrusted: createTrust(served.listen.trustedProxies),
      refused(address) {
        served.metrics.connectionRefused();
        served.api.tally.count('OVERLOADED', address);
      },
    });
    serveUpgrades(data.server, ({ upgrading, ...client }) => void served.servePassthrough(arriveAtRoute(edge, client, upgrading)));
    return {
      mcpUrl: data.url,
      adminUrl: admin.url,
      startDraining() {
        draining = true;
      },
      closeData: data.close,
      closeAdmin: () => admin.close(Promise.resolve()),
    };
  } catch (error) {
    await admin.close(Promise.resolve());
    throw error;
  }
}

/** The same form as every refusal of the data plane: a JSON-RPC error, without an id since none was read. */
function unreadMessage(status: number, requestId: string): UnreadAnswer {
  const { code } = denialTable.INVALID_MESSAGE;
  const message = `The HTTP request could not be read (${status} ${STATUS_CODES[status]}).`;
  const body = { jsonrpc: '2.0', id: null, error: { code, message, data: { reason: 'INVALID_MESSAGE', requestId } } };
  return { contentType: 'application/json', body: JSON.stringify(body) };
}

/** RFC 9457, as all of the admin plane answers. */
function unreadProblem(status: number): UnreadAnswer {
  const body = { type: 'about:blank', title: STATUS_CODES[status], status, detail: 'The HTTP request could not be read.' };
  return { contentType: 'application/problem+json', body: JSON.stringify(body) };
}

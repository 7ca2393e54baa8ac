import { Denial } from '../../domain/denial.ts';
import type { RequestMessage } from '../../domain/message.ts';
import { gateOf, isKnownNotification } from '../../domain/method.ts';
import type { UpstreamPolicy } from '../../domain/policy.ts';
import { redact } from '../../domain/redact.ts';
import { authenticate } from '../../stages/authenticate.ts';
import { chooseMember } from '../../stages/choose-member.ts';
import { judgeEra } from '../../stages/era.ts';
import type { Ports } from '../../stages/ports.ts';
import type { Authenticated, Reached, Received } from '../../stages/reached.ts';
import { refuse } from '../../stages/refuse.ts';
import { type Standing, stand } from '../../stages/stand.ts';
import { takeRates } from '../../stages/take-rates.ts';
import { openTask, unknownTask } from '../../stages/task-ids.ts';
import { usableMembers } from '../../stages/usable-members.ts';
import { type Gathering, gather, type Serve } from './gathering.ts';
import { discoverAll, initializeAll } from './greet-all.ts';
import { listAll } from './list-all.ts';
import { listenAll } from './listen-all.ts';
import { mergeStreams } from './merge-streams.ts';
import { answerPing, passResponse, setLevelOfAll, tellAll } from './tell-all.ts';

/**
 * Serves a path over several upstreams: `/mcp`, or an agent's or a bot's that names more than one. What is for one member goes to it, and what
 * is for all goes to all; each of these is a request of its own to the gateway, which authenticates, decides, records and charges it. Here it
 * is only divided, counted once against the rates of its key, and put together again.
 */
export function createAggregate(ports: Ports, serve: Serve): (received: Received) => Promise<void> {
  return async (received) => {
    let reached: Reached = received;
    let gathering: Gathering | undefined;
    try {
      const request = await authenticate(ports, received);
      reached = request;
      const standing = stand(request);
      await takeRates(ports, request);
      gathering = gatherHere({ ports, serve, request, standing });
      await divide(gathering);
    } catch (thrown) {
      await refuse(ports, reached, thrown);
    }
    await gathering?.settled();
  };
}

function gatherHere({
  ports,
  serve,
  request,
  standing,
}: {
  ports: Ports;
  serve: Serve;
  request: Authenticated;
  standing: Standing;
}): Gathering {
  const usable = usableMembers(request, standing);
  const { scanned } = request;
  if (scanned && !scanned.ok) throw new Denial(scanned.reason, { detail: scanned.detail });
  const era = judgeEra(request, scanned?.message);
  return gather({ ports, serve, request, endpoint: standing.endpoint, era, usable });
}

function divide(gathering: Gathering): Promise<void> {
  const { request, era } = gathering;
  if (request.verb !== 'POST') {
    if (era === 'stateless') throw new Denial('METHOD_NOT_ALLOWED', { detail: 'Protocol 2026-07-28 has no GET or DELETE.' });
    return request.verb === 'GET' ? mergeStreams(gathering) : tellAll(gathering);
  }
  const message = request.scanned?.ok ? request.scanned.message : undefined;
  if (!message) throw new Denial('INVALID_MESSAGE');
  if (message.kind === 'request') return divideRequest(gathering, message);
  if (message.kind === 'notification') {
    requireKnown(gathering, message.method);
    return tellAll(gathering);
  }
  if (era === 'stateless') throw new Denial('INVALID_MESSAGE', { detail: 'Clients send no responses in protocol 2026-07-28.' });
  return passResponse(gathering, message);
}

function divideRequest(gathering: Gathering, message: RequestMessage): Promise<void> {
  const gate = gateOf(message.method, gathering.era);
  if (gate?.by === 'filter') return listAll(gathering, message, gate.member);
  if (gate?.by === 'own-tasks') return listAll(gathering, message, 'tasks');
  if (gate?.by === 'subscriptions') return listenAll(gathering, message);
  if (gate?.by === 'task') return gathering.pass(ownerOf(gathering, message));
  if (gate) {
    switch (message.method) {
      case 'initialize':
        return initializeAll(gathering, message);
      case 'server/discover':
        return discoverAll(gathering, message);
      case 'logging/setLevel':
        return setLevelOfAll(gathering, message);
      case 'ping':
        return answerPing(gathering, message);
    }
  }
  return gathering.pass(memberFor(gathering, message));
}

/** @throws Denial SESSION_NOT_FOUND where the session was begun without the member: initializing again may bring it in */
function memberFor({ members, absent, request, era }: Gathering, message: RequestMessage): UpstreamPolicy {
  const member = chooseMember({ members: [...members, ...absent], caller: request.caller, era }, message);
  if (!absent.includes(member)) return member;
  throw new Denial('SESSION_NOT_FOUND', { detail: `The session was begun without the upstream ${member.name}.` });
}

/** A task is known by its sealed id alone, which opens for its own member. @throws Denial */
function ownerOf({ ports, members, absent, placeAt, era }: Gathering, message: RequestMessage): UpstreamPolicy {
  const { taskId = '' } = message.params;
  const owner = [...members, ...absent].find((member) => openTask(ports, placeAt(member), taskId) !== undefined);
  if (!owner) throw unknownTask(message, era);
  if (!absent.includes(owner)) return owner;
  throw new Denial('SESSION_NOT_FOUND', { detail: `The session was begun without the upstream ${owner.name}.` });
}

function requireKnown({ era, members }: Gathering, method: string): void {
  if (isKnownNotification(method, era) || members.some(({ ruleFor }) => ruleFor('methods', method))) return;
  throw new Denial('UNKNOWN_METHOD', { facts: { method: redact(method) } });
}

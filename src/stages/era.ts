import { Denial } from '../domain/denial.ts';
import { decodeHeaderValue } from '../domain/header-value.ts';
import type { Message } from '../domain/message.ts';
import { type Era, nameHeaderMember, statelessVersion, supportedVersions } from '../domain/method.ts';
import type { Located } from './reached.ts';

/**
 * Which era does the caller speak? In the session era headers decide nothing. In 2026-07-28 they must equal the body
 * (transports, standard headers), and the body is what is judged.
 */
export function judgeEra({ headers }: Pick<Located, 'headers'>, message: Message | undefined): Era {
  const version = headers['mcp-protocol-version'];
  const params = message && message.kind !== 'response' ? message.params : undefined;
  const claimed = params?.metaProtocolVersion;
  const discovering = message?.kind === 'request' && message.method === 'server/discover';
  if (version !== undefined && !supportedVersions.includes(String(version))) {
    // A request that speaks of its own version has no session: it is told the versions that work so, which are those that discover tells.
    const supported = claimed !== undefined || discovering ? [statelessVersion] : supportedVersions;
    throw new Denial('UNSUPPORTED_VERSION', { facts: { supported, requested: String(version).slice(0, 64) } });
  }
  if (version !== statelessVersion) {
    if (claimed === undefined && !discovering) return 'session';
    throw new Denial('HEADER_MISMATCH', {
      detail: `The body speaks ${claimed ?? statelessVersion} and the header MCP-Protocol-Version does not.`,
    });
  }
  if (message?.kind === 'request') judgeRequestHeaders(headers, message);
  if (message?.kind === 'notification') {
    if (claimed !== undefined && claimed !== version) throw new Denial('HEADER_MISMATCH');
    if (headers['mcp-method'] !== undefined && headers['mcp-method'] !== message.method) throw new Denial('HEADER_MISMATCH');
  }
  return 'stateless';
}

function judgeRequestHeaders(headers: Located['headers'], message: Extract<Message, { kind: 'request' }>): void {
  const { params, method } = message;
  if (params.metaProtocolVersion === undefined || !params.metaClientCapabilities) throw new Denial('META_MISSING');
  if (params.metaProtocolVersion !== statelessVersion)
    throw new Denial('HEADER_MISMATCH', { detail: 'MCP-Protocol-Version differs from the body.' });
  if (headers['mcp-method'] !== method) throw new Denial('HEADER_MISMATCH', { detail: 'Mcp-Method is missing or differs from the body.' });
  const member = nameHeaderMember(method);
  if (!member) return;
  const named = headers['mcp-name'];
  if (typeof named !== 'string' || decodeHeaderValue(named) !== params[member]) {
    throw new Denial('HEADER_MISMATCH', { detail: `Mcp-Name is missing or differs from params.${member}.` });
  }
}

import { member, type StrictValue, strictJson, stringOf } from './strict-json.ts';

export type Verdict =
  | 'PARSE_ERROR'
  | 'INVALID_MESSAGE'
  | { kind: 'request' | 'notification'; id?: string | number; method: string; name?: string; uri?: string }
  | { kind: 'response'; id: string | number | null; outcome: 'result' | 'error' };

const envelopeNames = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'];
const paramVariants =
  /^(?:name|uri|ref|taskId|task|arguments|requestId|protocolVersion|requestState|notifications|cursor|_meta|progressToken)$/iu;
const paramNames =
  /^(?:name|uri|ref|taskId|task|arguments|requestId|protocolVersion|requestState|notifications|cursor|_meta|progressToken)$/u;
const metaVariants = /^io\.modelcontextprotocol\/(?:protocolVersion|clientCapabilities|related-task)$/iu;
const metaNames = /^io\.modelcontextprotocol\/(?:protocolVersion|clientCapabilities|related-task)$/u;

/** What the gate must say about these bytes, by rules written down a second time on the independent parser's value. */
export function strictMessage(bytes: Uint8Array): Verdict {
  const json = strictJson(bytes);
  if (json === undefined) return 'PARSE_ERROR';
  const { value } = json;
  if (json.duplicates || json.loneSurrogates || json.depth > 64 || value.kind !== 'object') return 'INVALID_MESSAGE';
  if (value.members.some(([name]) => !envelopeNames.includes(name))) return 'INVALID_MESSAGE';
  if (stringOf(member(value, 'jsonrpc')) !== '2.0') return 'INVALID_MESSAGE';
  const idText = member(value, 'id');
  const id = idOf(idText);
  if (idText !== undefined && id === undefined) return 'INVALID_MESSAGE';
  const [method, params] = [member(value, 'method'), member(value, 'params')];
  const [result, error] = [member(value, 'result'), member(value, 'error')];
  if (error !== undefined && !isError(error)) return 'INVALID_MESSAGE';
  if (method === undefined) {
    if (params !== undefined || (result === undefined) === (error === undefined) || id === undefined) return 'INVALID_MESSAGE';
    if (result !== undefined && id === null) return 'INVALID_MESSAGE';
    return { kind: 'response', id, outcome: error === undefined ? 'result' : 'error' };
  }
  const called = stringOf(method);
  if (!called || Buffer.byteLength(called) > 256 || result !== undefined || error !== undefined || id === null) return 'INVALID_MESSAGE';
  if (!paramsFit(called, params)) return 'INVALID_MESSAGE';
  const [name, uri] = [stringOf(member(params, 'name')), stringOf(member(params, 'uri'))];
  return {
    kind: id === undefined ? 'notification' : 'request',
    ...(id !== undefined && { id }),
    method: called,
    ...(name !== undefined && { name }),
    ...(uri !== undefined && { uri }),
  };
}

function idOf(value: StrictValue | undefined): string | number | null | undefined {
  if (value?.kind === 'null') return null;
  if (value?.kind === 'string') return Buffer.byteLength(value.value) <= 256 ? value.value : undefined;
  if (value?.kind !== 'number' || !/^(?:0|-?[1-9][0-9]*)$/.test(value.text)) return undefined;
  return Number.isSafeInteger(Number(value.text)) ? Number(value.text) : undefined;
}

function isError(value: StrictValue): boolean {
  const code = member(value, 'code');
  return code?.kind === 'number' && typeof idOf(code) === 'number' && stringOf(member(value, 'message')) !== undefined;
}

function paramsFit(method: string, params: StrictValue | undefined): boolean {
  if (params !== undefined && params.kind !== 'object') return false;
  if (hasVariant(params, paramVariants, paramNames)) return false;
  if (hasVariant(member(params, 'ref'), /^(?:type|name|uri)$/iu, /^(?:type|name|uri)$/u)) return false;
  if (hasVariant(member(params, '_meta'), metaVariants, metaNames)) return false;
  const is = (name: string, kind: StrictValue['kind']) => member(params, name)?.kind === kind;
  const may = (name: string, kind: StrictValue['kind']) => member(params, name) === undefined || is(name, kind);
  switch (method) {
    case 'tools/call':
      return is('name', 'string') && may('arguments', 'object') && may('task', 'object') && may('requestState', 'string');
    case 'prompts/get':
      return is('name', 'string') && may('arguments', 'object') && may('task', 'object') && may('requestState', 'string');
    case 'resources/read':
      return is('uri', 'string') && may('task', 'object') && may('requestState', 'string');
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return is('uri', 'string') || stringOf(member(member(params, '_meta'), 'io.modelcontextprotocol/protocolVersion')) === '2026-07-28';
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/update':
    case 'tasks/cancel':
      return is('taskId', 'string');
    case 'initialize':
      return may('protocolVersion', 'string');
    case 'notifications/cancelled':
      return member(params, 'requestId') === undefined || ['string', 'number'].includes(typeof idOf(member(params, 'requestId')));
    case 'completion/complete':
      return refFits(member(params, 'ref'));
    default:
      return true;
  }
}

function refFits(ref: StrictValue | undefined): boolean {
  const [type, name, uri] = [member(ref, 'type'), member(ref, 'name'), member(ref, 'uri')];
  if (type?.kind !== 'string' || (name && name.kind !== 'string') || (uri && uri.kind !== 'string')) return false;
  return !(type.value === 'ref/prompt' && !name) && !(type.value === 'ref/resource' && !uri);
}

/** ECMAScript's `iu` folds as Unicode does (long s, Kelvin sign); the dotted and dotless i are added by hand. */
function hasVariant(value: StrictValue | undefined, variants: RegExp, exact: RegExp): boolean {
  if (value?.kind !== 'object') return false;
  return value.members.some(([name]) => variants.test(name.replaceAll(/[\u0130\u0131]/g, 'i')) && !exact.test(name));
}

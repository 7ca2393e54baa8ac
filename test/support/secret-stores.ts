import { startRecordingServer } from './recording-server.ts';

/** A loopback stand-in that keeps secrets by name; `set` changes one at once. */
export interface SecretStore {
  readonly url: string;
  /** What the requests said, in order. */
  readonly asked: { readonly name: string; readonly headers: Readonly<Record<string, string | string[] | undefined>> }[];
  set(name: string, secret: string | Record<string, unknown>): void;
  close(): Promise<void>;
}

/**
 * AWS Secrets Manager's GetSecretValue in AWS JSON 1.1:
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
export async function startAwsStore(secrets: Record<string, string | Record<string, unknown>>): Promise<SecretStore> {
  const kept = new Map(Object.entries(secrets));
  const asked: SecretStore['asked'] = [];
  const server = await startRecordingServer((request, response) => {
    const json = (status: number, body: object) =>
      void response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    const { SecretId: name = '' } = JSON.parse(String(request.body)) as { SecretId?: string };
    asked.push({ name, headers: request.headers });
    if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') return json(400, { __type: 'UnknownOperationException' });
    if (!String(request.headers.authorization).startsWith('AWS4-HMAC-SHA256 ')) {
      return json(400, { __type: 'MissingAuthenticationTokenException' });
    }
    if (name.startsWith('denied')) return json(400, { __type: 'AccessDeniedException', Message: `not you: ${name}` });
    const secret = kept.get(name);
    if (secret === undefined) {
      return json(400, { __type: 'ResourceNotFoundException', Message: "Secrets Manager can't find the specified secret." });
    }
    const value = typeof secret === 'string' ? { SecretString: secret } : secret;
    return json(200, { ARN: `arn:aws:secretsmanager:eu-central-1:1:secret:${name}`, Name: name, VersionId: 'v1', ...value });
  });
  return { url: `http://127.0.0.1:${server.port}`, asked, set: (name, secret) => void kept.set(name, secret), close: server.close };
}

/** Vault's key-value store, version 2: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version */
export async function startVaultStore(
  secrets: Record<string, string | Record<string, unknown>>,
  { token }: { token: string },
): Promise<SecretStore> {
  const kept = new Map(Object.entries(secrets));
  const asked: SecretStore['asked'] = [];
  const server = await startRecordingServer((request, response) => {
    const json = (status: number, body: object) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const name = decodeURIComponent(request.url.replace('/v1/', ''));
    asked.push({ name, headers: request.headers });
    if (request.headers['x-vault-token'] !== token) return json(403, { errors: ['permission denied'] });
    const secret = kept.get(name);
    if (secret === undefined) return json(404, { errors: [] });
    return json(200, { request_id: '1', data: { data: secret, metadata: { version: 1 } } });
  });
  return { url: `http://127.0.0.1:${server.port}`, asked, set: (name, secret) => void kept.set(name, secret), close: server.close };
}

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { request } from 'undici';
import { type FetchedSecret, isUnreachable, type SecretReader, wordOf } from './fetched.ts';

const answerBytesMax = 1024 * 1024;

/**
 * HashiCorp Vault's key-value store, version 2, over HTTP; OpenBao speaks the same. `mount/path/of/secret` is read as
 * `GET /v1/mount/data/path/of/secret`: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
 * @param options.env VAULT_ADDR, VAULT_TOKEN or VAULT_TOKEN_FILE (read again each time, as an agent renews it), VAULT_NAMESPACE
 */
export function createVaultSecrets({ env, cwd }: { env: Readonly<Record<string, string | undefined>>; cwd: string }): SecretReader {
  return {
    membersOnly: true,
    async read(name, { signal }) {
      const [mount = '', ...path] = name.split('/');
      if (mount === '' || path.length === 0 || path.some((part) => part === '' || part === '.' || part === '..')) {
        return { message: 'is not a mount and a path', hint: 'such as ${vault:secret/wiki#token}' };
      }
      const base = addressOf(env.VAULT_ADDR);
      if (!('value' in base)) return base;
      const token = await tokenOf(env, cwd);
      if (!('value' in token)) return token;
      const url = `${base.value}/v1/${encodeURIComponent(mount)}/data/${path.map(encodeURIComponent).join('/')}`;
      const namespace = env.VAULT_NAMESPACE;
      const headers = { 'x-vault-token': token.value, 'x-vault-request': 'true', ...(namespace && { 'x-vault-namespace': namespace }) };
      try {
        const { statusCode, body } = await request(url, { headers, signal, reset: true });
        const bytes = await readAtMost(body, answerBytesMax);
        return statusCode === 200 ? membersOf(bytes) : { message: refusal(statusCode) };
      } catch (error) {
        const word = wordOf(error);
        return { message: isUnreachable(error) ? `cannot be fetched: Vault is not reachable (${word})` : `cannot be read (${word})` };
      }
    },
  };
}

function addressOf(text: string | undefined): FetchedSecret {
  if (!text) return { message: 'cannot be looked for: VAULT_ADDR is not set', hint: 'set VAULT_ADDR and VAULT_TOKEN or VAULT_TOKEN_FILE' };
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    return { message: 'cannot be looked for: VAULT_ADDR is not an http or https URL' };
  }
  return { value: text.replace(/\/+$/, '') };
}

async function tokenOf(env: Readonly<Record<string, string | undefined>>, cwd: string): Promise<FetchedSecret> {
  const file = env.VAULT_TOKEN_FILE;
  let token = env.VAULT_TOKEN;
  if (!token && file) {
    try {
      token = (await readFile(resolve(cwd, file), 'utf8')).trim();
    } catch (error) {
      return { message: `cannot be looked for: VAULT_TOKEN_FILE cannot be read (${wordOf(error)})` };
    }
  }
  if (!token) return { message: 'cannot be looked for: there is no Vault token', hint: 'set VAULT_TOKEN or VAULT_TOKEN_FILE' };
  return /^[\x21-\x7e]+$/.test(token)
    ? { value: token }
    : { message: 'cannot be looked for: the Vault token has characters that no token has' };
}

async function readAtMost(body: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > bytesMax) throw new RangeError('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The secret's members as JSON text; `data.data` of the answer. */
function membersOf(bytes: Buffer): FetchedSecret {
  try {
    const answer = JSON.parse(bytes.toString('utf8')) as { data?: { data?: unknown } } | null;
    const members = answer?.data?.data;
    if (typeof members === 'object' && members !== null) return { value: JSON.stringify(members) };
  } catch {
    // The parser's own message quotes what it read.
  }
  return { message: 'is not of a key-value store of version 2' };
}

function refusal(status: number): string {
  if (status === 404) return 'does not exist';
  if (status === 403) return 'may not be read with this Vault token';
  if (status === 503) return 'cannot be read: Vault is sealed or not ready';
  return `cannot be read (Vault answered ${status})`;
}

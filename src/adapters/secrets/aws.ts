import type { GetSecretValueCommandOutput } from '@aws-sdk/client-secrets-manager';
import { type FetchedSecret, isUnreachable, type SecretReader, wordOf } from './fetched.ts';

type Sdk = typeof import('@aws-sdk/client-secrets-manager');

const packageName = '@aws-sdk/client-secrets-manager';

/**
 * AWS Secrets Manager through the official SDK, which is loaded only when a secret is asked for. Region, endpoint and credentials come from
 * where the SDK looks for them: environment, shared files, the role of the machine or pod.
 * @param options.load loads the SDK; tests replace it
 */
export function createAwsSecrets({ load = loadSdk }: { load?: () => Promise<Sdk> } = {}): SecretReader {
  let opened: Promise<{ sdk: Sdk; client: InstanceType<Sdk['SecretsManagerClient']> }> | undefined;
  const open = async () => {
    const sdk = await load();
    // A reload builds another client, so no idle connection may outlive this one.
    const agents = { httpAgent: { keepAlive: false }, httpsAgent: { keepAlive: false } };
    return { sdk, client: new sdk.SecretsManagerClient({ maxAttempts: 2, requestHandler: agents }) };
  };
  return {
    membersOnly: false,
    async read(name, { signal }) {
      try {
        opened ??= open();
        const { sdk, client } = await opened;
        return textOf(await client.send(new sdk.GetSecretValueCommand({ SecretId: name }), { abortSignal: signal }));
      } catch (error) {
        return problemOf(error);
      }
    },
  };
}

function loadSdk(): Promise<Sdk> {
  return import('@aws-sdk/client-secrets-manager');
}

function textOf({ SecretString, SecretBinary }: GetSecretValueCommandOutput): FetchedSecret {
  if (SecretString !== undefined) return { value: SecretString };
  try {
    return { value: new TextDecoder('utf-8', { fatal: true }).decode(SecretBinary) };
  } catch {
    return { message: 'is not UTF-8 text' };
  }
}

/** By the error's name: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors */
function problemOf(error: unknown): FetchedSecret {
  const word = wordOf(error);
  if (word === 'ERR_MODULE_NOT_FOUND') {
    return { message: `needs the package ${packageName}, which is not installed`, hint: `npm install ${packageName}` };
  }
  if (word === 'ResourceNotFoundException') return { message: 'does not exist in this account and region' };
  if (word === 'AccessDeniedException') return { message: 'may not be read with these AWS credentials' };
  if (word === 'CredentialsProviderError') return { message: 'cannot be read without AWS credentials' };
  if (word === 'InvalidRequestException') return { message: 'is marked for deletion or otherwise not readable' };
  if (error instanceof Error && /^Region is missing/.test(error.message)) {
    return { message: 'cannot be looked for: no AWS region is set', hint: 'set AWS_REGION' };
  }
  return { message: isUnreachable(error) ? `cannot be fetched: AWS is not reachable (${word})` : `cannot be read (${word})` };
}

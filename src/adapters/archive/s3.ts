import type { S3Client } from '@aws-sdk/client-s3';
import type { Archive, ArchiveName, ArchiveSeries } from '../../ports/archive.ts';
import { isFolderName, numberOf, objectName, seriesPrefix } from './object-name.ts';

type Sdk = typeof import('@aws-sdk/client-s3');

/** Where an archive stands. Credentials come from where the SDK looks for them, never from here. */
export interface S3Address {
  readonly bucket: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  readonly region?: string;
  /** Of a store other than AWS. */
  readonly endpoint?: string;
  /** Whether the bucket is a part of the path, not of the host. */
  readonly pathStyle: boolean;
}

interface Bucket extends S3Address {
  readonly sdk: Sdk;
  readonly client: S3Client;
}

const packageName = '@aws-sdk/client-s3';
const connectMsMax = 5_000;
const requestMsMax = 60_000;
/** A store that answers 409 is deciding between two writers: asked again, it knows. */
const putTriesMax = 4;

/**
 * An archive in a bucket of S3 or of a store that speaks its protocol, through the official SDK, which is loaded when the archive is first
 * used. The store must honour `If-None-Match: *` on PutObject; one that does not is refused before anything is kept in it.
 * @param options.load  loads the SDK; tests replace it
 */
export function createS3Archive({ address, load = loadSdk }: { address: S3Address; load?: () => Promise<Sdk> }): Archive {
  const place = `s3://${address.bucket}/${address.prefix}`;
  const opened = once(async () => openBucket(address, await load()));
  const fenced = once(async () => requireFence(await opened(), place));
  const seen = new Map<ArchiveSeries, number>();
  const asked = async <Answer>(act: string, ask: (bucket: Bucket) => Promise<Answer>): Promise<Answer> => {
    try {
      return await ask(await opened());
    } catch (error) {
      throw explained(error, `${place} cannot be ${act}`);
    }
  };
  return {
    put: (name, text) =>
      asked('written', async (bucket) => {
        await fenced();
        return putOnce(bucket, { key: keyOf(address, name), text });
      }),
    get: (name) => asked('read', (bucket) => getText(bucket, keyOf(address, name))),
    newest: (series) =>
      asked('listed', async (bucket) => {
        const newest = (await newestSince(bucket, series, seen.get(series) ?? 0)) ?? (await newestIn(bucket, series));
        seen.set(series, newest);
        return newest;
      }),
    remove: (name) =>
      asked('written', async ({ sdk, client, bucket }) => {
        await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: keyOf(address, name) }));
      }),
    describe: () => place,
  };
}

function loadSdk(): Promise<Sdk> {
  return import('@aws-sdk/client-s3');
}

/** One success is kept; after a failure the next call tries again. */
function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

function openBucket(address: S3Address, sdk: Sdk): Bucket {
  const { region, endpoint, pathStyle } = address;
  const client = new sdk.S3Client({
    maxAttempts: 3,
    forcePathStyle: pathStyle,
    requestHandler: { connectionTimeout: connectMsMax, requestTimeout: requestMsMax, throwOnRequestTimeout: true },
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  return { ...address, sdk, client };
}

function keyOf({ prefix }: S3Address, name: ArchiveName): string {
  return `${prefix}${objectName(name)}`;
}

/** Stores that ignore the condition would let two writers replace each other's segments without a word. */
async function requireFence(bucket: Bucket, place: string): Promise<void> {
  const probe = { key: `${bucket.prefix}fence`, text: 'Shows that this store refuses to write an object twice.\n' };
  await putOnce(bucket, probe);
  if (await putOnce(bucket, probe)) {
    throw new Error(`${place} cannot hold the archive: its store ignores If-None-Match. Use one that supports conditional writes.`);
  }
}

async function putOnce({ sdk, client, bucket }: Bucket, { key, text }: { key: string; text: string }): Promise<boolean> {
  const type = { ContentType: 'application/x-ndjson' };
  for (let left = putTriesMax; ; left -= 1) {
    try {
      await client.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: text, IfNoneMatch: '*', ...type }));
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status === 412) return false;
      if (status !== 409 || left <= 1) throw error;
    }
  }
}

async function getText({ sdk, client, bucket }: Bucket, key: string): Promise<string | undefined> {
  try {
    const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }));
    return await Body?.transformToString('utf-8');
  } catch (error) {
    // A missing bucket is 404 too, and is no empty archive.
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
    throw error;
  }
}

/** The newest, where the one that was the newest is still there: one request, however many objects stand before it. */
async function newestSince(bucket: Bucket, series: ArchiveSeries, number: number): Promise<number | undefined> {
  if (number === 0) return undefined;
  const after = `${bucket.prefix}${objectName({ series, number: number - 1 })}`;
  const names = await list(bucket, { prefix: `${bucket.prefix}${seriesPrefix(series)}`, after });
  const numbers = names.flatMap((name) => numberOf(name.slice(name.lastIndexOf('/') + 1)) ?? []);
  return numbers.includes(number) ? numbers.reduce((most, one) => Math.max(most, one)) : undefined;
}

/** Buckets list in the order of names, so the newest is the last one of the last folder. */
async function newestIn(bucket: Bucket, series: ArchiveSeries): Promise<number> {
  const prefix = `${bucket.prefix}${seriesPrefix(series)}`;
  const folders = (await list(bucket, { prefix, delimiter: '/' })).filter((name) => isFolderName(name.replace(/\/$/, '')));
  for (const folder of folders.sort().reverse()) {
    const numbers = (await list(bucket, { prefix: `${prefix}${folder}` })).flatMap((base) => numberOf(base) ?? []);
    if (numbers.length > 0) return numbers.reduce((most, number) => Math.max(most, number));
  }
  return 0;
}

/** Names below a prefix, without it: those of folders (ending in the delimiter), or of objects. */
async function list(
  { sdk, client, bucket }: Bucket,
  { prefix, delimiter, after }: { prefix: string; delimiter?: string; after?: string },
): Promise<string[]> {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new sdk.ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
        ...(after === undefined ? {} : { StartAfter: after }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    const found = delimiter === undefined ? page.Contents?.map(({ Key }) => Key) : page.CommonPrefixes?.map(({ Prefix }) => Prefix);
    for (const name of found ?? []) if (name?.startsWith(prefix)) names.push(name.slice(prefix.length));
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  return names;
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** The SDK's own messages may quote requests; its error names say enough: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
function explained(error: unknown, what: string): Error {
  if (!(error instanceof Error) || error.message.startsWith('s3://')) return error as Error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ERR_MODULE_NOT_FOUND') return new Error(`${what} without the package ${packageName}: npm install ${packageName}`);
  if (/^Region is missing/.test(error.message)) return new Error(`${what}: no region is set. Add ?region=… to it or set AWS_REGION.`);
  return new Error(`${what} (${typeof code === 'string' ? code : error.name})`);
}

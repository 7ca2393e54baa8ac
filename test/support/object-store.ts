import { startRecordingServer } from './recording-server.ts';

/** A loopback stand-in for S3, with one bucket. */
export interface ObjectStore {
  readonly url: string;
  readonly objects: Map<string, string>;
  /** Method and key of every request, in order. */
  readonly asked: string[];
  /** Answers the next request for it with this error instead, after carrying it out where `done` is true. */
  fail(act: string, error: { status: number; code: string; done?: boolean }): void;
  close(): Promise<void>;
}

/**
 * PutObject with If-None-Match, GetObject, DeleteObject and ListObjectsV2, path style:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 * @param options.pageKeys  names in one page of a list
 * @param options.conditional  false for a store that ignores If-None-Match
 */
export async function startObjectStore(options: { bucket: string; pageKeys?: number; conditional?: boolean }): Promise<ObjectStore> {
  const { bucket, pageKeys = 1000, conditional = true } = options;
  const objects = new Map<string, string>();
  const asked: string[] = [];
  const failures: { act: string; status: number; code: string; done?: boolean }[] = [];
  const server = await startRecordingServer((request, response) => {
    const url = new URL(request.url, 'http://store');
    const [, named = '', ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    const act = url.searchParams.has('list-type') ? 'LIST' : request.method;
    asked.push(`${act} ${act === 'LIST' ? url.searchParams.get('prefix') : key}`);
    const xml = (status: number, body: string) => void response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
    const error = (status: number, code: string) => xml(status, `<Error><Code>${code}</Code><Message>you, at ${key}</Message></Error>`);
    const at = failures.findIndex((failure) => failure.act === act);
    const [failure] = at < 0 ? [] : failures.splice(at, 1);
    if (failure && !failure.done) return error(failure.status, failure.code);
    if (!String(request.headers.authorization).startsWith('AWS4-HMAC-SHA256 ')) return error(403, 'AccessDenied');
    if (named !== bucket) return error(404, 'NoSuchBucket');
    if (act === 'LIST') return xml(200, listed(objects, url.searchParams, pageKeys));
    if (act === 'PUT') {
      if (conditional && request.headers['if-none-match'] === '*' && objects.has(key)) return error(412, 'PreconditionFailed');
      objects.set(key, request.body);
      if (failure) return error(failure.status, failure.code);
    } else if (act === 'DELETE') objects.delete(key);
    else if (!objects.has(key)) return error(404, 'NoSuchKey');
    else return void response.writeHead(200).end(objects.get(key));
    response.writeHead(act === 'DELETE' ? 204 : 200).end();
  });
  const fail: ObjectStore['fail'] = (act, how) => void failures.push({ act, ...how });
  return { url: `http://127.0.0.1:${server.port}`, objects, asked, fail, close: server.close };
}

function listed(objects: ReadonlyMap<string, string>, asked: URLSearchParams, pageKeys: number): string {
  const prefix = asked.get('prefix') ?? '';
  const delimiter = asked.get('delimiter');
  const after = asked.get('continuation-token') ?? asked.get('start-after') ?? '';
  const nameOf = (key: string): string => {
    const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
    return cut < 0 ? key : key.slice(0, cut + 1);
  };
  const names = [...new Set([...objects.keys()].filter((key) => key.startsWith(prefix)).map(nameOf))].filter((name) => name > after).sort();
  const page = names.slice(0, pageKeys);
  const more = names.length > page.length;
  const entries = page.map((name) =>
    delimiter && name.endsWith(delimiter)
      ? `<CommonPrefixes><Prefix>${name}</Prefix></CommonPrefixes>`
      : `<Contents><Key>${name}</Key></Contents>`,
  );
  const token = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
  return `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${entries.join('')}</ListBucketResult>`;
}

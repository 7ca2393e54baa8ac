import { readHttpUrl } from './addresses.ts';
import type { Reading } from './problems.ts';

/** Where sealed parts of a journal on Redis are kept. */
export type ArchiveConfig =
  | { readonly kind: 'folder'; readonly folder: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      /** Without slashes at its ends; empty for none. */
      readonly prefix: string;
      readonly region?: string;
      /** Of a store other than AWS. */
      readonly endpoint?: string;
      /** Whether the bucket is a part of the path, not of the host. */
      readonly pathStyle: boolean;
    };

const example = 's3://bucket/prefix?region=eu-central-1';

/** A folder, not made absolute yet, or `s3://bucket/prefix?region=…&endpoint=…&pathStyle=true`. Credentials come from the surroundings, as the AWS SDK finds them. */
export function readArchive(text: string): Reading<ArchiveConfig> {
  if (/^s3:/i.test(text)) return readBucket(text);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return { message: 'must be a folder or an s3:// URL', hint: `such as ./archive or ${example}` };
  if (text === '' || text.includes('\0')) return { message: 'must be a folder or an s3:// URL', hint: 'such as ./archive' };
  return { value: { kind: 'folder', folder: text } };
}

function readBucket(text: string): Reading<ArchiveConfig> {
  // No @ before the path: credentials do not belong here.
  const match = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text);
  if (!match) return { message: 'must be an s3:// URL without a fragment', hint: `such as ${example}` };
  const [, bucket = '', path = '', query = ''] = match;
  if (bucket.includes('@'))
    return { message: 'must not contain credentials', hint: 'the AWS SDK finds them: environment, shared files, the role of the machine' };
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return { message: 'has no valid name of a bucket', hint: `such as ${example}` };
  const prefix = path.replace(/^\/+|\/+$/g, '');
  if (!/^[A-Za-z0-9!_.*'()/-]{0,512}$/.test(prefix) || prefix.split('/').some((part) => /^\.*$/.test(part) && prefix !== '')) {
    return { message: 'has no valid prefix', hint: "letters, digits and ! _ . * ' ( ) - between slashes, no part of dots alone" };
  }
  const parts = readQuery(query);
  return 'value' in parts ? { value: { kind: 's3', bucket, prefix, ...parts.value } } : parts;
}

function readQuery(query: string): Reading<{ region?: string; endpoint?: string; pathStyle: boolean }> {
  const given = new URLSearchParams(query);
  const names = [...given.keys()];
  if (names.some((name) => !['region', 'endpoint', 'pathStyle'].includes(name)) || new Set(names).size < names.length) {
    return { message: 'has an unknown or repeated parameter', hint: 'region, endpoint and pathStyle are known, each once' };
  }
  const region = given.get('region');
  const endpoint = given.get('endpoint');
  const pathStyle = given.get('pathStyle') ?? 'false';
  if (region !== null && !/^[a-z0-9-]{1,64}$/.test(region))
    return { message: 'has a region that is none', hint: 'such as region=eu-central-1' };
  if (!['true', 'false'].includes(pathStyle)) return { message: 'has a pathStyle that is neither true nor false' };
  const url = endpoint === null ? undefined : readHttpUrl(endpoint);
  if (url && !('value' in url)) return { message: `has an endpoint that ${url.message}` };
  return {
    value: {
      ...(region !== null && { region }),
      ...(url && { endpoint: url.value.href.replace(/\/+$/, '') }),
      pathStyle: pathStyle === 'true',
    },
  };
}

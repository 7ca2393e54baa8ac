import type { Dispatcher } from 'undici';

/** One POST, and its answer as text. Rejects where the connection fails. */
export function exchange(
  dispatcher: Dispatcher,
  { path, headers, body }: { path: string; headers: Readonly<Record<string, string>>; body: string },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = 0;
    dispatcher.dispatch(
      { path, method: 'POST', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, code) {
          status = code;
        },
        onResponseData(_controller, chunk) {
          chunks.push(chunk);
        },
        onResponseEnd: () => resolve({ status, text: Buffer.concat(chunks).toString('utf8') }),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

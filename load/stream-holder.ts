import { get } from 'node:http';

/**
 * The clients of idle streams, a process of its own so that what they take is not taken for the gateway's: opens as many as its second argument says at the
 * URL that its first one is, with the key in KEYGATE_KEY. Prints "open" when all are, and keeps them until it is ended.
 */
const [url = '', count = ''] = process.argv.slice(2);
/** Opened at a time, so that what is measured is idle streams and not a queue of connections. */
const openedAtOnce = 50;

for (let left = Number(count); left > 0; left -= openedAtOnce) {
  await Promise.all(Array.from({ length: Math.min(openedAtOnce, left) }, openOne));
}
console.log('open');

/** Resolves with the head of the answer; what comes after it is read and dropped. */
function openOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${process.env.KEYGATE_KEY}` };
    get(url, { headers, agent: false }, (response) => {
      // Ends with the stream, by whichever side.
      response.on('error', () => undefined).resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`a stream was answered ${response.statusCode}`));
    }).on('error', reject);
  });
}

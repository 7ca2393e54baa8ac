/** What every POST of the bridge's says of itself: both forms of answer are taken (transports), and no encoding. */
export const postHeaders: readonly string[] = [
  'accept',
  'application/json, text/event-stream',
  'content-type',
  'application/json',
  'accept-encoding',
  'identity',
];

/** Where an attack asks for a number of something: how many are sent, and by which command. Measured times are of two cores. */
export const amounts: readonly { readonly number: string; readonly tests: string; readonly more: string }[] = [
  {
    number: 'A07',
    tests: '20,000 mutated bodies through the stage that reads them; 720 mutated requests to a gateway process',
    more: '`npm run security`: 1,000,000 bodies in process, and a minute of requests to a gateway process. A million over HTTP was not run: at 800 cases a second on two quiet cores it takes some 20 minutes, an hour on a busy machine (`npm run fuzz -- --cases 1000000 --seconds 7200`)',
  },
  {
    number: 'A54',
    tests: '5,000 idle streams, or as many as may be open where the process may open fewer than 10,500 files',
    more: '`KEYGATE_STREAMS=N` for another number',
  },
  {
    number: 'A61',
    tests: '5,000 names of each of six kinds; p99 of admitted calls beside 1,000 refused requests a second',
    more: '`KEYGATE_FLOOD=1000000 npx vitest run test/process/flood.test.ts --project embedded -t "unknown keys"`, and so on for each kind, some minutes each. Run: a million unknown keys, a million session ids and a million tool names, after each of which no more was in use than before, and at most 254 MiB were resident',
  },
  {
    number: 'A63',
    tests: '200 seeds of 200 steps',
    more: '`npm run simulate`: 10,000 seeds. 100,000 were not run',
  },
];

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Preloaded into a process, this collects all its garbage at each SIGUSR2, and says how many bytes are in use after that.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
let times = 0;
process.on('SIGUSR2', () => {
  collect();
  times += 1;
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`collected ${times}: ${heapUsed + external}\n`);
});

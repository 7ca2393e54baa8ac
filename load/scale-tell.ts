import type { Measurement } from './scale.ts';
import type { Point } from './scale-point.ts';

/** For people: ratios to one gateway of the same run first, then microseconds of this machine. */
export function tellScale({ wrong, calls, rounds, secondsPerPoint, machine, points, spread, idle, sealing }: Measurement): void {
  for (const each of wrong) console.log(`WRONG: ${each}`);
  if (wrong.length === 0) console.log(`correct: upstream, journal and ledger agree on ${calls} calls, and the journal verifies`);
  console.log(`\n${machine.cores} cores (${machine.model}); the quickest of ${rounds} rounds of ${secondsPerPoint} s\n`);
  const row = (cells: readonly unknown[]) => console.log(cells.map((cell, at) => `${cell}`.padEnd(at === 0 ? 44 : 10)).join(''));
  row(['', 'calls/s', 'x 1 gate', 'p50 ms', 'p99 ms', 'ours', 'others', 'stolen', 'idle']);
  for (const [at, point] of points.entries()) {
    const base = points.find((one) => one.gateways === 1 && sameBut(one, point));
    const ratio = (point.perSecond / (base?.perSecond ?? Number.NaN)).toFixed(2);
    const cores = [point.coresOurs, point.coresOthers, point.coresStolen, point.coresIdle].map((each) => each.toFixed(2));
    row([nameOf(point), Math.round(point.perSecond), ratio, point.p50, point.p99, ...cores, spread[at]?.map(Math.round).join('-')]);
  }
  console.log('\nmicroseconds of processor time per call; bytes per call\n');
  row(['', 'gateway', '+threads', 'Redis', '+threads', 'stub', 'load', 'scripts', 'in them', 'B sent', 'B back', 'B to disk', 'sealed/s']);
  for (const point of points) {
    const { gatewayMain, gatewayOthers, redisMain, redisOthers, stub, load, scripts, scriptMicros } = point;
    const costs = [gatewayMain, gatewayOthers, redisMain, redisOthers, stub, load].map((each) => each.toFixed(1));
    const bytes = [point.bytesIn, point.bytesOut, point.bytesWritten, point.sealed / point.seconds].map((each) => Math.round(each));
    row([nameOf(point), ...costs, scripts.toFixed(2), scriptMicros.toFixed(1), ...bytes]);
  }
  console.log('');
  for (const each of idle) {
    console.log(
      `${each.gateways} gateways without calls: ${each.gatewayMicros} µs of theirs, ${each.redisMicros} µs of Redis and ${each.commands} commands in a second`,
    );
  }
  console.log(
    `sealing: ${sealing.sealerMicros} µs of the sealer and ${sealing.redisMicros} of Redis for each of ${sealing.records} records; ` +
      `${sealing.bytesPerRecord} bytes per record in the archive, ${sealing.bytesPerWaiting} in memory before; ${sealing.bytesKeptPerCall} bytes of memory per call afterwards`,
  );
}

export function nameOf({
  gateways,
  connections,
  accounts,
  leased,
  fsync,
}: Pick<Point, 'gateways' | 'connections' | 'accounts' | 'leased' | 'fsync'>): string {
  const told = [leased ? 'leased' : '', fsync === 'always' ? 'fsync always' : ''].filter((each) => each !== '');
  return [`${gateways} gw, ${connections} callers, ${accounts === 'one' ? 'one account' : 'accounts'}`, ...told].join(', ');
}

/** The same in all but the number of gateways. */
function sameBut(one: Point, other: Point): boolean {
  const text = ({ connections, accounts, leased, fsync }: Point) => JSON.stringify([connections, accounts, leased, fsync]);
  return text(one) === text(other);
}

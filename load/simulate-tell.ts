import type { Measurement } from './scale.ts';
import { nameOf } from './scale-tell.ts';
import type { Parameters } from './simulate-parameters.ts';
import { isMissed, type Prediction } from './simulate-predict.ts';
import { accounts, farAdmits, fleetOf, limitsOf, planned, type Reach, reachOf, runFleet, spreads, waitsOf } from './simulate-reach.ts';

const rates = [10_000, 100_000, 1_000_000] as const;

const row = (cells: readonly unknown[]) => console.log(cells.map((cell, at) => `${cell}`.padEnd(at === 0 ? 44 : 12)).join(''));
const whole = (value: number) => Math.round(value).toLocaleString('en');
const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

export function tellPredictions({ plain, leased, cores, idle, efficiency }: Parameters, predictions: readonly Prediction[]): void {
  console.log('From one gateway alone, microseconds of processor time:\n');
  row(['', 'per call', 'per script', 'per turn', 'other threads']);
  for (const [name, costs] of [['', plain] as const, [' with leases', leased] as const]) {
    for (const kind of ['gateway', 'redis', 'stub', 'load'] as const) {
      const { perCall, perTurn, otherThreads } = costs[kind];
      const perScript = kind === 'gateway' || kind === 'redis' ? costs[kind].perScript : 0;
      row([`${kind}${name}`, ...[perCall, perScript, perTurn, otherThreads].map((each) => each.toFixed(1))]);
    }
  }
  row(['sealing, of a gateway and of Redis', ...[plain.sealer, plain.sealed].map((each) => each.toFixed(1))]);
  row(['a gateway without calls, and Redis for it', `${idle.gateway} and ${idle.redis} in a second`]);
  const percentGiven = (efficiency * 100).toFixed(0);
  console.log(
    `\nPredicted on ${cores.toFixed(2)} cores of which ${percentGiven} % is work; (given) = the parameters are from this point\n`,
  );
  row(['', 'predicted/s', 'measured/s', 'error', '', 'p50 pred.', 'p50 meas.']);
  for (const prediction of predictions) {
    const { point, simulated, error, given } = prediction;
    const told = isMissed(prediction) ? 'MISSED' : given ? '(given)' : '';
    const cells = [whole(simulated.perSecond), whole(point.perSecond), `${(error * 100).toFixed(1)} %`, told];
    row([nameOf(point), ...cells, simulated.p50.toFixed(2), point.p50.toFixed(2)]);
  }
}

export function tellReach(measurement: Measurement, { plain, leased, idle }: Parameters): void {
  const ways = [
    { name: 'one by one', costs: plain, joint: false },
    { name: 'from leases', costs: leased, joint: true },
  ].map((way) => ({ ...way, reach: reachOf(way.costs, way) }));

  console.log('\nSimulated: what one of each carries on a core of its own, calls a second\n');
  row(['', 'gateway', 'Redis', 'of one account', 'sealer']);
  for (const { name, reach } of ways) row([name, ...[reach.gateway, reach.shard, reach.shardOfOne, reach.sealer].map(whole)]);
  console.log('\nSimulated: waiting behind one Redis server, an upstream that answers at once, ms\n');
  row(['', 'callers', 'calls/s', 'Redis busy', 'p50', 'p99']);
  for (const { name, reach, costs, joint } of ways)
    for (const { callers, perSecond, busy, p50, p99 } of waitsOf(costs, { joint, reach }))
      row([name, callers, whole(perSecond), percent(busy), p50.toFixed(2), p99.toFixed(2)]);

  console.log(`\nArithmetic: what so many calls a second need, at ${planned * 100} % of what each carries, accounts spread evenly\n`);
  row(['', 'gateways', 'Redis', 'by memory', 'sealers', 'segments/s', 'TB a day', 'GB kept', 'idle cores']);
  for (const { name, reach } of ways)
    for (const rate of rates) {
      const fleet = fleetOf(rate, { reach, measurement, idle });
      const { gateways, shards, shardsByMemory, sealers, segmentsPerSecond, bytesPerDay, bytesRemembered, coresIdle } = fleet;
      const rest = [sealers, segmentsPerSecond, bytesPerDay / 1e12, bytesRemembered / 1e9, coresIdle].map((each) => each.toFixed(1));
      row([`${whole(rate)} a second, ${name}`, gateways, shards, shardsByMemory, ...rest]);
    }
  console.log('\nSimulated: those gateways and Redis servers, as many callers as keep them at it, calls of many accounts\n');
  row(['', 'gateways', 'Redis', 'callers', 'calls/s', 'gw busy', 'Redis busy', 'p50', 'p99']);
  for (const { name, costs, joint, reach } of ways)
    for (const rate of rates) {
      const { gateways, shards, callers, perSecond, gatewayBusy, redisBusy, p50, p99 } = runFleet(rate, { costs, joint, reach });
      const measures = [percent(gatewayBusy), percent(redisBusy), p50.toFixed(2), p99.toFixed(2)];
      row([`${whole(rate)} a second, ${name}`, gateways, shards, whole(callers), whole(perSecond), ...measures]);
    }
  tellSpreads(measurement, ways);
  const usual = waitsOf(plain, { joint: false, reach: ways[0]?.reach ?? reachOf(plain, { joint: false }) });
  console.log('\nArithmetic: a call whose account is far away, and calls that are open at once at 10,000 a second\n');
  row(['', 'RTT ms', 'p50 ms', 'open']);
  for (const { name, rtt, call, open } of farAdmits(usual[2]?.p50 ?? Number.NaN)) row([name, rtt, call.toFixed(1), whole(open(10_000))]);
}

function tellSpreads(measurement: Measurement, ways: readonly { name: string; reach: Reach }[]): void {
  const all = spreads();
  console.log(`\nArithmetic: shares of the busiest, ${whole(accounts)} accounts called by Zipf's law\n`);
  row(['exponent', 'account', 'partition', '16, as new', '16, moved', '64, as new', '64, moved', '256, moved']);
  for (const { exponent, busiest } of all) {
    const shards = [busiest.shard(16), busiest.evenShard(16), busiest.shard(64), busiest.evenShard(64), busiest.evenShard(256)];
    row([exponent, ...[busiest.account, busiest.partition, ...shards].map(percent)]);
  }
  for (const { exponent, busiest } of all.filter((one) => one.exponent === 0 || one.exponent === 1)) {
    for (const { name, reach } of ways) {
      console.log(`\nArithmetic: what breaks first as calls grow, exponent ${exponent}, ${name}; full at so many calls a second\n`);
      for (const limit of limitsOf({ reach, busiest, measurement })) row([limit.name, '', whole(limit.perSecond)]);
    }
  }
}

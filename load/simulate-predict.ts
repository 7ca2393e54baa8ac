import type { Measurement } from './scale.ts';
import type { Point } from './scale-point.ts';
import type { Simulated } from './simulate-model.ts';
import { type Parameters, simulatePoint } from './simulate-parameters.ts';

/** Beyond this the model is said to miss. */
const missMax = 0.15;

export interface Prediction {
  readonly point: Point;
  readonly simulated: Simulated;
  /** Of calls in a second: (predicted - measured) / measured. */
  readonly error: number;
  /** True where the parameters were taken from this very point, so that its error says little. */
  readonly given: boolean;
}

export function isMissed({ error }: Prediction): boolean {
  return Math.abs(error) > missMax;
}

/** What the model says of every point that was measured, except where each turn of Redis waits for a disk, which it does not have. */
export function predict({ points }: Measurement, parameters: Parameters): Prediction[] {
  return points
    .filter(({ fsync }) => fsync === 'everysec')
    .map((point) => {
      const simulated = simulatePoint(point, { ...parameters, costs: point.leased ? parameters.leased : parameters.plain });
      const error = (simulated.perSecond - point.perSecond) / point.perSecond;
      return { point, simulated, error, given: point.gateways === 1 && (point.connections === 64 || point.connections === 1) };
    });
}

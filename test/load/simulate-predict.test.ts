import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { Measurement } from '../../load/scale.ts';
import { parametersOf } from '../../load/simulate-parameters.ts';
import { isMissed, predict } from '../../load/simulate-predict.ts';

const stored = new URL('../../load/results/scale.json', import.meta.url);

it('what one gateway cost in the kept measurement predicts what two and four did, within 15 %', async () => {
  const measurement = JSON.parse(await readFile(stored, 'utf8')) as Measurement;
  const predictions = predict(measurement, parametersOf(measurement));
  expect(measurement.wrong).toEqual([]);
  expect(new Set(predictions.map(({ point }) => point.gateways))).toEqual(new Set([1, 2, 4]));
  expect(predictions.filter(({ point, given }) => point.gateways > 1 && given)).toEqual([]);
  expect(predictions.filter(isMissed).map(({ point, error }) => ({ point, error }))).toEqual([]);
});

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Measurement } from './scale.ts';
import { parametersOf } from './simulate-parameters.ts';
import { isMissed, predict } from './simulate-predict.ts';
import { tellPredictions, tellReach } from './simulate-tell.ts';

/**
 * `npm run load:simulate [-- --from FILE]`: takes what one gateway cost in a measurement of load/scale.ts, predicts what two and four did, and
 * says what many machines would. Deterministic. Exit code 1 where a prediction misses by more than 15 %.
 */
const stored = fileURLToPath(new URL('results/scale.json', import.meta.url));
const { values } = parseArgs({ options: { from: { type: 'string', default: stored } } });

const measurement = JSON.parse(await readFile(values.from, 'utf8')) as Measurement;
const parameters = parametersOf(measurement);
const predictions = predict(measurement, parameters);
tellPredictions(parameters, predictions);
tellReach(measurement, parameters);
process.exitCode = predictions.some(isMissed) ? 1 : 0;

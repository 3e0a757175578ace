import { PairLoader } from '../data/loader.ts';
import type { PairSource } from '../data/pairs.ts';
import { DataError } from '../errors.ts';
import type { TrainConfiguration } from './configuration.ts';

/**
 * A loader that draws training batches as the configuration says.
 * @throws DataError if there is no pair
 */
export function trainingLoader(source: PairSource, configuration: TrainConfiguration): PairLoader {
  const { batch, size, fit, shuffle, seed, flip, enlarge, pairing } = configuration;
  if (source.pairs.length === 0) throw new DataError('the training split is empty');
  const drawn = { shuffle, seed, flip, enlarge, pairing };
  return new PairLoader(source, { batch, size, fit, crops: 'random', ...drawn });
}

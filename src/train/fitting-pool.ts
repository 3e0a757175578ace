import { UsageError } from '../errors.ts';
import type { OptionValues } from '../run/option-values.ts';
import { resolveOptions, type TrainConfiguration, trainConfiguration } from './configuration.ts';

/**
 * A configuration whose image pools hold no more fakes than there are training images: a larger pool would
 * hold several fakes of every image, and show the discriminators the same few again and again. A default is
 * lowered, and said so; what was asked for is refused.
 * @param values options as parsed, of which `configuration` was made
 * @param pairs number of training pairs
 * @throws UsageError if `--pool-size` is larger than that
 */
export function withFittingPool(
  configuration: TrainConfiguration,
  values: OptionValues,
  pairs: number,
  log: (line: string) => void,
): TrainConfiguration {
  const poolSize = resolveOptions(values)['pool-size'];
  if (typeof poolSize !== 'number' || poolSize <= pairs) return configuration;
  if (values['pool-size'] !== undefined) {
    throw new UsageError(
      `--pool-size: expected at most the ${pairs} training pairs, found ${poolSize}; use more pairs or a smaller pool`,
    );
  }
  log(`image pools hold ${pairs} fakes instead of ${poolSize}: there are no more training pairs`);
  return trainConfiguration({ ...values, 'pool-size': pairs });
}

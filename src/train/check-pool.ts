import { UsageError } from '../errors.ts';
import { type OptionValues, optionValues } from '../run/option-values.ts';
import { resolveOptions } from './configuration.ts';
import { TRAIN_OPTIONS } from './options.ts';

/**
 * An image pool larger than the training set holds several fakes of every image, and shows the discriminators
 * the same few again and again. What was asked for is refused; a default stays what the publication has, and
 * is remarked on. Browser-safe.
 * @param values options as parsed, or as a page's form has them
 * @param pairs number of training pairs
 * @throws UsageError if `--pool-size` is larger than that and not the default
 */
export function checkPool(values: OptionValues, pairs: number, log: (line: string) => void): void {
  const sizeOf = (given: OptionValues) =>
    resolveOptions(optionValues(TRAIN_OPTIONS, given))['pool-size'];
  const poolSize = sizeOf(values);
  if (typeof poolSize !== 'number' || poolSize <= pairs) return;
  // A configuration that was printed says the default too, and is to be taken back.
  if (poolSize !== sizeOf({ ...values, 'pool-size': undefined })) {
    throw new UsageError(
      `--pool-size: expected at most the ${pairs} training pairs, found ${poolSize}; use more pairs or a smaller pool`,
    );
  }
  log(
    `image pools of ${poolSize} will hold several fakes of each of the ${pairs} training pairs; --pool-size ${pairs} avoids that`,
  );
}

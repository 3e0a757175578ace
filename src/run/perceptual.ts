import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { loadPerceptualWeights } from '../nn/load-weights.node.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { randomFeatureWeights, uniformLayerWeights } from '../nn/perceptual/random-features.ts';
import { perceptualName } from '../nn/perceptual/trunks.ts';

/**
 * The perceptual distance that an option names, its weights read from a folder (none are needed for
 * `random-features`); `undefined` for `none`.
 * @throws UsageError for an unknown name or a missing folder; DataError if weights are missing or wrong
 */
export async function openPerceptual(
  gpu: Gpu,
  option: string,
  weightsFolder: string | undefined,
): Promise<PerceptualDistance | undefined> {
  if (option === 'none') return undefined;
  const name = perceptualName(option);
  if (name === 'random-features') {
    return new PerceptualDistance(gpu, name, {
      trunk: randomFeatureWeights(),
      linear: uniformLayerWeights(),
    });
  }
  if (!weightsFolder) {
    throw new UsageError(
      `--perceptual ${name} reads trained weights: name their folder with --weights DIR, or use --perceptual random-features, which needs none`,
    );
  }
  return new PerceptualDistance(gpu, name, await loadPerceptualWeights(weightsFolder, name));
}

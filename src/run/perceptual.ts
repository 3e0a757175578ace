import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { loadPerceptualWeights } from '../nn/load-weights.node.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import {
  type PerceptualName,
  perceptualLabel,
  perceptualName,
  smallestSide,
  TRUNKS,
} from '../nn/perceptual/trunks.ts';
import { type PerceptualFile, randomFeatures } from './perceptual-file.ts';

export type { PerceptualFile } from './perceptual-file.ts';

/**
 * Reads the weights of the perceptual distance that an option names, without a device (none are
 * needed for `random-features`); `undefined` for `none`.
 * @param size side of the images, where it is known
 * @throws UsageError for an unknown name, a missing folder, or images too small for the distance; DataError if
 *   weights are missing or wrong
 */
export async function readPerceptual(
  option: string,
  weightsFolder: string | undefined,
  size?: number,
): Promise<PerceptualFile | undefined> {
  if (option === 'none') return undefined;
  const name = perceptualName(option);
  if (size !== undefined) requireSize(name, size);
  if (name === 'random-features') return randomFeatures();
  if (!weightsFolder) {
    throw new UsageError(
      `--perceptual ${name} reads trained weights: name their folder with --weights DIR, or use --perceptual random-features, which needs none`,
    );
  }
  return { name, weights: await loadPerceptualWeights(weightsFolder, name) };
}

function requireSize(name: PerceptualName, size: number): void {
  const least = smallestSide(TRUNKS[name]);
  if (size < least) {
    throw new UsageError(
      `--size ${size}: expected at least ${least}, which the features of ${perceptualLabel(name)} need`,
    );
  }
}

/** {@link readPerceptual}, then the distance on a device. */
export async function openPerceptual(
  gpu: Gpu,
  option: string,
  weightsFolder: string | undefined,
): Promise<PerceptualDistance | undefined> {
  const file = await readPerceptual(option, weightsFolder);
  return file && new PerceptualDistance(gpu, file.name, file.weights);
}

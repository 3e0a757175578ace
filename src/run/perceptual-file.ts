/** Weights of a perceptual distance before they are on a device. Browser-safe. */
import type { PerceptualWeights } from '../nn/perceptual/perceptual-distance.ts';
import { randomFeatureWeights, uniformLayerWeights } from '../nn/perceptual/random-features.ts';
import type { PerceptualName } from '../nn/perceptual/trunks.ts';

/** Weights of a perceptual distance on the host. */
export interface PerceptualFile {
  readonly name: PerceptualName;
  readonly weights: PerceptualWeights;
}

/** The distance that needs no file. */
export function randomFeatures(): PerceptualFile {
  return {
    name: 'random-features',
    weights: { trunk: randomFeatureWeights(), linear: uniformLayerWeights() },
  };
}

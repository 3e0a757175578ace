import { RandomStream } from '../../autograd/philox.ts';
import { sizeOf } from '../../autograd/tensor.ts';
import type { Tensorlike } from '../network.ts';
import { TRUNKS, trunkShapes } from './trunks.ts';

/** Fixed, so that scores of different runs can be compared. */
const SEED = 20241217;

/** Weights of the `random-features` trunk: N(0, √(2/fan_in)) (He), biases 0; always the same. */
export function randomFeatureWeights(): Map<string, Tensorlike> {
  const random = new RandomStream(SEED, 'random-features');
  const weights = new Map<string, Tensorlike>();
  for (const [name, shape] of trunkShapes(TRUNKS['random-features'])) {
    const data = new Float32Array(sizeOf(shape));
    if (shape.length === 4) {
      const deviation = Math.sqrt(2 / (shape[1] * shape[2] * shape[3]));
      for (let i = 0; i < data.length; i++) data[i] = random.normal() * deviation;
    }
    weights.set(name, { shape, data });
  }
  return weights;
}

/** Uniform layer weights: the distance is the mean over slices of ‖f̂₀-f̂₁‖². */
export function uniformLayerWeights(): Float32Array[] {
  const { channels } = TRUNKS['random-features'];
  return channels.map((count) => new Float32Array(count).fill(1 / channels.length));
}

import { ELEMENT_BYTES, type ElementType } from '../../../kernels/element-types.ts';
import { channelAffine } from '../../autograd/ops/channel-affine.ts';
import { concat } from '../../autograd/ops/concat.ts';
import { conv2d } from '../../autograd/ops/conv2d.ts';
import { type ConvolutionBranch, conv2dBranches } from '../../autograd/ops/conv2d-branches.ts';
import { lpipsDistance, lpipsDistances } from '../../autograd/ops/lpips-distance.ts';
import { maxPool2d } from '../../autograd/ops/max-pool2d.ts';
import { meanOfParts } from '../../autograd/ops/reduce.ts';
import { noGrad } from '../../autograd/tape.ts';
import { sameShape, type Tensor } from '../../autograd/tensor.ts';
import { DataError, ShapeError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { constantTensor, type Tensorlike } from '../network.ts';
import {
  largestOutput,
  type PerceptualName,
  perceptualLabel,
  TRUNKS,
  type TrunkLayer,
  trunkShapes,
} from './trunks.ts';

/** LPIPS v0.1's scaling layer, per RGB channel: (x - shift) / scale. */
const SHIFT = [-0.03, -0.088, -0.188];
const SCALE = [0.458, 0.448, 0.45];

const RELU = { kind: 'relu' } as const;

/** Frozen weights of one perceptual distance. */
export interface PerceptualWeights {
  /** By torchvision's `features` names, e.g. `0.weight`, `3.squeeze.bias`. */
  readonly trunk: ReadonlyMap<string, Tensorlike>;
  /** Non-negative channel weights of each slice. */
  readonly linear: readonly Float32Array[];
}

/**
 * A distance of deep features: per slice, features are normalised over channels at every pixel,
 * differences squared, weighted by channel and averaged over pixels; slices are added.
 *
 *     Φ(a, b) = Σ_l mean_p Σ_c w_lc (f̂_l(a) - f̂_l(b))²,   f̂ = f / (√Σ_c f² + 1e-10)
 *
 * With trained weights this is LPIPS v0.1 (PerceptualSimilarity `lpips/lpips.py`). Weights are frozen:
 * gradients flow to the images only.
 */
export class PerceptualDistance {
  readonly name: PerceptualName;
  private readonly weights = new Map<string, Tensor>();
  private readonly linear: readonly Tensor[];

  /** @throws DataError naming a tensor that is missing or of another shape */
  constructor(gpu: Gpu, name: PerceptualName, weights: PerceptualWeights) {
    this.name = name;
    const trunk = TRUNKS[name];
    for (const [key, shape] of trunkShapes(trunk)) {
      const found = weights.trunk.get(key);
      if (!found || !sameShape(found.shape, shape)) {
        throw new DataError(
          `${this.label} trunk: tensor ${key} expected [${shape}], found ${found ? `[${found.shape}]` : 'none'}`,
        );
      }
      this.weights.set(key, constantTensor(gpu, found.data, shape));
    }
    this.linear = trunk.channels.map((channels, index) => {
      const values = weights.linear[index];
      if (values?.length !== channels) {
        throw new DataError(
          `${this.label} layer weights ${index}: expected ${channels} values, found ${values?.length ?? 'none'}`,
        );
      }
      return constantTensor(gpu, values, [channels]);
    });
  }

  /** `LPIPS-squeeze`, …, or `random-features`. */
  get label(): string {
    return perceptualLabel(this.name);
  }

  /**
   * Features of every slice.
   * @param x `[N,1,H,W]` or `[N,3,H,W]` in [-1,1]; one channel stands for three equal ones
   * @param precision how features are stored; default f32
   */
  features(x: Tensor, precision: ElementType = 'f32'): Tensor[] {
    const outputs: Tensor[] = [];
    let current = channelAffine(x, SCALE, SHIFT, precision);
    for (const slice of TRUNKS[this.name].slices) {
      for (const layer of slice) current = this.layer(current, layer);
      outputs.push(current);
    }
    return outputs;
  }

  /** Every slice's share `[N]` of the distances between feature lists of `features`. */
  shares(first: readonly Tensor[], second: readonly Tensor[]): Tensor[] {
    return this.linear.map((weights, index) => lpipsDistance(first[index], second[index], weights));
  }

  /** Distances `[N]` between feature lists of `features`. */
  distance(first: readonly Tensor[], second: readonly Tensor[]): Tensor {
    return lpipsDistances(
      this.linear.map((weights, index) => ({
        first: first[index],
        second: second[index],
        weights,
      })),
    );
  }

  /**
   * The mean distance of each pair of batches, a scalar `[]` each; gradients flow to the images of
   * `fake` only. Pairs of one shape pass through the trunk together, as far as a binding can hold
   * its largest output: deep layers of small images are too small to keep a device busy on their own.
   * @param precision how features are stored; default f32
   */
  meanDistances(
    pairs: readonly { readonly real: Tensor; readonly fake: Tensor }[],
    precision: ElementType = 'f32',
  ): readonly Tensor[] {
    const first = pairs[0]?.fake;
    if (!first) return [];
    const together = pairs.every(
      ({ real, fake }) => sameShape(real.shape, first.shape) && sameShape(fake.shape, first.shape),
    );
    const [batch, , height, width] = first.shape;
    const values = pairs.length * batch * largestOutput(TRUNKS[this.name], height, width);
    const bytes = ELEMENT_BYTES[precision] * values;
    if (
      pairs.length > 1 &&
      !(together && bytes <= first.gpu.device.limits.maxStorageBufferBindingSize)
    ) {
      return pairs.flatMap((pair) => this.meanDistances([pair], precision));
    }
    const join = (images: Tensor[]): Tensor => (images.length > 1 ? concat(images, 0) : images[0]);
    const realFeatures = noGrad(() =>
      this.features(join(pairs.map(({ real }) => real)), precision),
    );
    const fakeFeatures = this.features(join(pairs.map(({ fake }) => fake)), precision);
    const distances = this.distance(realFeatures, fakeFeatures);
    return meanOfParts(distances, pairs.length);
  }

  dispose(): void {
    for (const tensor of [...this.weights.values(), ...this.linear]) tensor.dispose();
  }

  private layer(x: Tensor, layer: TrunkLayer): Tensor {
    switch (layer.kind) {
      case 'conv':
        return this.convolve(x, layer.name, layer.stride, layer.padding);
      case 'pool':
        return maxPool2d(x, { kernel: layer.kernel, stride: 2, ceilMode: layer.ceilMode });
      case 'fire': {
        const squeezed = this.convolve(x, `${layer.name}.squeeze`, 1, 0);
        return conv2dBranches(
          squeezed,
          [this.branch(`${layer.name}.expand1x1`, 0), this.branch(`${layer.name}.expand3x3`, 1)],
          RELU,
        );
      }
    }
  }

  private convolve(x: Tensor, name: string, stride: number, padding: number): Tensor {
    return conv2d(x, this.weight(`${name}.weight`), this.weight(`${name}.bias`), {
      stride,
      padding,
      activation: RELU,
    });
  }

  private branch(name: string, padding: number): ConvolutionBranch {
    return { weight: this.weight(`${name}.weight`), bias: this.weight(`${name}.bias`), padding };
  }

  private weight(name: string): Tensor {
    const tensor = this.weights.get(name);
    if (!tensor) throw new ShapeError(`${this.label} has no weight ${name}`);
    return tensor;
  }
}

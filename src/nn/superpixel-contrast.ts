import { conv2d } from '../autograd/ops/conv2d.ts';
import { infoNce } from '../autograd/ops/info-nce.ts';
import { sum } from '../autograd/ops/reduce.ts';
import { regionMean } from '../autograd/ops/region-mean.ts';
import { tokenSimilarity } from '../autograd/ops/token-products.ts';
import { unitLength } from '../autograd/ops/unit-length.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import type { RandomStream } from '../autograd/philox.ts';
import type { Regions } from '../autograd/regions.ts';
import { noGrad } from '../autograd/tape.ts';
import { formatShape, type Tensor } from '../autograd/tensor.ts';
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type InitialiserName, initialiser } from './initialisers.ts';
import { declareConvolution, type Network } from './network.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';

export interface ProjectionOptions {
  /** Channels of the features at each scale. */
  readonly channels: readonly number[];
  /** Width of both layers of an MLP; CUT has 256. */
  readonly width: number;
  readonly initialiser: InitialiserName;
}

/** Added to the length of a vector before dividing by it (CUT, `models/networks.py`). */
const EPSILON = 1e-7;

/**
 * Where superpixels are compared: one MLP a scale (linear, ReLU, linear), then vectors of unit length, after
 * contrastive-unpaired-translation `models/networks.py` (PatchSampleF). All f32, however the features are stored:
 * there are few superpixels, and what is divided by the temperature decides by small differences.
 */
export class ProjectionHeads implements Network {
  readonly options: ProjectionOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor> = new Map();

  constructor(gpu: Gpu, options: ProjectionOptions, random: RandomStream) {
    this.options = options;
    this.parameters = new ParameterSet(gpu, declareProjections(options, random));
  }

  /**
   * @param scale from 0
   * @param features `[N,C,H,W]` of that scale
   * @returns a unit vector for every superpixel, `[N,width,1,S]`
   * @throws ShapeError if there is no such scale, or features or regions do not fit it
   */
  project(scale: number, features: Tensor, regions: Regions): Tensor {
    if (features.shape[1] !== this.options.channels[scale]) {
      throw new ShapeError(
        `projection ${scale + 1} of features with ${this.options.channels} channels, found ${formatShape(features.shape)}`,
      );
    }
    const layer = (name: string): [Tensor, Tensor] => [
      this.parameters.get(`scale${scale + 1}.${name}.weight`),
      this.parameters.get(`scale${scale + 1}.${name}.bias`),
    ];
    const hidden = conv2d(regionMean(features, regions), ...layer('mlp1'), {
      activation: { kind: 'relu' },
    });
    return unitLength(conv2d(hidden, ...layer('mlp2')), EPSILON);
  }
}

/**
 * The superpixel-wise multiscale contrastive term of the reconstructed MSPGAN: at every scale, a superpixel of the
 * translated image should be told by its vector from all superpixels of the source, the right one being that at
 * the same place:
 *
 *     mean over scales, images and superpixels s of -log e^(q_s·k_s/τ) / Σ_t e^(q_s·k_t/τ)
 *
 * q from the translated image, k from the source without gradient. InfoNCE as in CUT (Park et al. 2020), with
 * superpixels in place of patches.
 * @param translated features of the translated image by scale, `source` those of its source
 * @param regions the source's superpixels at each scale
 */
export function superpixelContrast(
  heads: ProjectionHeads,
  translated: readonly Tensor[],
  source: readonly Tensor[],
  regions: readonly Regions[],
  temperature: number,
): Tensor {
  const terms = regions.map((own, scale) => {
    const queries = heads.project(scale, translated[scale], own);
    const keys = noGrad(() => heads.project(scale, source[scale].detach(), own));
    return sum(infoNce(tokenSimilarity(queries, keys, { factor: 1 / temperature }), own));
  });
  return weightedSum(
    terms,
    terms.map(() => 1 / terms.length),
  );
}

/** The parameters of the heads. */
export function declareProjections(
  { channels, width, initialiser: name }: ProjectionOptions,
  random: RandomStream,
): ParameterDeclaration[] {
  const initialise = initialiser(name, random);
  const linear = (layer: string, from: number): ParameterDeclaration[] =>
    declareConvolution(layer, [width, from, 1, 1], initialise, { bias: true, biasLength: width });
  return channels.flatMap((from, scale) => [
    ...linear(`scale${scale + 1}.mlp1`, from),
    ...linear(`scale${scale + 1}.mlp2`, width),
  ]);
}

import { conv2d } from '../autograd/ops/conv2d.ts';
import { spectralNormalizeAll } from '../autograd/ops/spectral-normalize.ts';
import type { RandomStream } from '../autograd/philox.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';
import { type InitialiserName, initialiser } from './initialisers.ts';
import {
  declareConvolution,
  type ForwardContext,
  type Network,
  persistentTensors,
  randomUnitVector,
} from './network.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';
import { type PatchGanLayer, patchGanLayers, requirePatchGanInput } from './patchgan-layers.ts';

export interface SpectralPatchGanOptions {
  readonly inChannels: number;
  /** Channels after the first convolution. */
  readonly ndf: number;
  /** Convolutions under spectral norm: 4 (as the authors' code) or all 5. */
  readonly spectralLayers: 4 | 5;
  readonly initialiser: InitialiserName;
}

interface Layer extends PatchGanLayer {
  readonly spectral: boolean;
}

const LEAKY = { kind: 'leaky_relu', slope: 0.2 } as const;
const LINEAR = { kind: 'none' } as const;

/**
 * The 70×70 PatchGAN discriminator with spectral norm and reflect padding:
 *
 *     conv 4×4 s2 in→ndf, LReLU; s2 →2ndf, LReLU; s2 →4ndf, LReLU; s1 →8ndf, LReLU; s1 →1
 *
 * A 256×256 image gives a 30×30 map of logits. Paper section "Model Description"; layer details after
 * the authors' challenge code (CDX-USChallenge `GnD.py`).
 */
export class SpectralPatchGan implements Network {
  readonly options: SpectralPatchGanOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly arenas: readonly Storage[];
  private readonly layers: readonly Layer[];

  constructor(gpu: Gpu, options: SpectralPatchGanOptions, random: RandomStream) {
    this.options = options;
    this.layers = layersOf(options);
    this.parameters = new ParameterSet(gpu, declarePatchGan(options, random));
    const normalised = this.layers.filter(({ spectral }) => spectral);
    const vectors = normalised.map(({ from, to }) => ({
      u: randomUnitVector(to, random),
      v: randomUnitVector(from * 16, random),
    }));
    // All u, then all v: kernels write both at once, and bind each as one stretch.
    const { tensors, storage } = persistentTensors(gpu, [
      ...vectors.map(({ u }) => u),
      ...vectors.map(({ v }) => v),
    ]);
    this.arenas = [storage];
    this.buffers = new Map(
      normalised.flatMap(({ name }, k) => [
        [`${name}.weight_u`, tensors[k]] as const,
        [`${name}.weight_v`, tensors[normalised.length + k]] as const,
      ]),
    );
  }

  /**
   * @param x `[N,inChannels,H,W]`, sides at least 24 (so that every layer has an output)
   * @returns logits `[N,1,H',W']`; H' = 30 at H = 256
   */
  forward(x: Tensor, context: ForwardContext): Tensor {
    requirePatchGanInput(x, this.options.inChannels);
    const weights = this.normalisedWeights(context);
    let current = x;
    for (const layer of this.layers) {
      current = conv2d(
        current,
        weights.get(layer) ?? this.parameters.get(`${layer.name}.weight`),
        this.parameters.get(`${layer.name}.bias`),
        {
          stride: layer.stride,
          padding: 1,
          paddingMode: 'reflect',
          activation: layer.to === 1 ? LINEAR : LEAKY,
          elementType: layer.to === 1 ? 'f32' : context.precision,
        },
      );
    }
    return current;
  }

  private normalisedWeights(context: ForwardContext): ReadonlyMap<Layer, Tensor> {
    const layers = this.layers.filter(({ spectral }) => spectral);
    const weights = spectralNormalizeAll(
      layers.map(({ name }) => ({
        weight: this.parameters.get(`${name}.weight_orig`),
        u: this.buffer(`${name}.weight_u`),
        v: this.buffer(`${name}.weight_v`),
      })),
      { update: context.training },
    );
    return new Map(layers.map((layer, k) => [layer, weights[k]]));
  }

  private buffer(name: string): Tensor {
    const tensor = this.buffers.get(name);
    if (!tensor) throw new ShapeError(`no buffer ${name}`);
    return tensor;
  }
}

/** The parameters that a spectral-norm PatchGAN of these options has. */
export function declarePatchGan(
  options: SpectralPatchGanOptions,
  random: RandomStream,
): ParameterDeclaration[] {
  const initialise = initialiser(options.initialiser, random);
  return layersOf(options).flatMap((layer) =>
    declareConvolution(layer.name, [layer.to, layer.from, 4, 4], initialise, {
      bias: true,
      biasLength: layer.to,
      weightName: layer.spectral ? 'weight_orig' : 'weight',
    }),
  );
}

function layersOf({ inChannels, ndf, spectralLayers }: SpectralPatchGanOptions): Layer[] {
  return patchGanLayers(inChannels, ndf).map((layer, index) => ({
    ...layer,
    spectral: index < spectralLayers,
  }));
}

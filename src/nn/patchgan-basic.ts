import { conv2d } from '../autograd/ops/conv2d.ts';
import type { RandomStream } from '../autograd/philox.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type InitialiserName, initialiser } from './initialisers.ts';
import { declareConvolution, type ForwardContext, type Network } from './network.ts';
import { declareNorm, type NormName, normalise, normBuffers } from './norm.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';
import { type PatchGanLayer, patchGanLayers, requirePatchGanInput } from './patchgan-layers.ts';

export interface PatchGanOptions {
  /** 1 for a grey image, 2 for one beside its condition. */
  readonly inChannels: number;
  /** Channels after the first convolution. */
  readonly ndf: number;
  readonly norm: NormName;
  readonly initialiser: InitialiserName;
}

interface Layer extends PatchGanLayer {
  readonly normalised: boolean;
  readonly bias: boolean;
}

const SLOPE = 0.2;

/**
 * The 70×70 PatchGAN discriminator of pix2pix and CycleGAN, zeros around:
 *
 *     conv 4×4 s2 in→ndf, LReLU;  s2 →2ndf, norm, LReLU;  s2 →4ndf, norm, LReLU;
 *     s1 →8ndf, norm, LReLU;  s1 →1
 *
 * A 256×256 image gives a 30×30 map of logits. In front of batch norm there is no bias. Layer list
 * after pytorch-CycleGAN-and-pix2pix `models/networks.py` (NLayerDiscriminator).
 */
export class PatchGan implements Network {
  readonly options: PatchGanOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor>;
  private readonly layers: readonly Layer[];

  constructor(gpu: Gpu, options: PatchGanOptions, random: RandomStream) {
    this.options = options;
    this.layers = layersOf(options);
    this.parameters = new ParameterSet(gpu, declareBasicPatchGan(options, random));
    const normalised = this.layers.filter((layer) => layer.normalised);
    this.buffers = normBuffers(
      gpu,
      options.norm,
      normalised.map(({ name, to }) => [normOf(name), to]),
    );
  }

  /**
   * @param x `[N,inChannels,H,W]`, sides at least 24 (so that every layer has an output)
   * @returns logits `[N,1,H',W']`; H' = 30 at H = 256
   */
  forward(x: Tensor, context: ForwardContext): Tensor {
    const { inChannels, norm } = this.options;
    requirePatchGanInput(x, inChannels);
    let current = x;
    for (const { name, stride, normalised, bias, to } of this.layers) {
      const activated = !normalised && to !== 1;
      current = conv2d(
        current,
        this.parameters.get(`${name}.weight`),
        bias ? this.parameters.get(`${name}.bias`) : undefined,
        {
          stride,
          padding: 1,
          activation: activated ? { kind: 'leaky_relu', slope: SLOPE } : { kind: 'none' },
          elementType: to === 1 ? 'f32' : context.precision,
        },
      );
      if (normalised) current = normalise(this, norm, normOf(name), current, context, SLOPE);
    }
    return current;
  }
}

/** `norm2` behind `conv2`. */
const normOf = (convolution: string): string => convolution.replace('conv', 'norm');

/** The parameters that a PatchGAN of these options has. */
export function declareBasicPatchGan(
  options: PatchGanOptions,
  random: RandomStream,
): ParameterDeclaration[] {
  const initialise = initialiser(options.initialiser, random);
  return layersOf(options).flatMap(({ name, from, to, normalised, bias }) => [
    ...declareConvolution(name, [to, from, 4, 4], initialise, {
      bias,
      biasLength: to,
      cancelled: normalised && bias,
    }),
    ...(normalised ? declareNorm(options.norm, normOf(name), to, options.initialiser, random) : []),
  ]);
}

function layersOf({ inChannels, ndf, norm }: PatchGanOptions): Layer[] {
  return patchGanLayers(inChannels, ndf).map((layer, index) => {
    const normalised = index > 0 && index < 4;
    return { ...layer, normalised, bias: !normalised || norm === 'instance' };
  });
}

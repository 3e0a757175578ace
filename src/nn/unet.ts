import { concat } from '../autograd/ops/concat.ts';
import { conv2d } from '../autograd/ops/conv2d.ts';
import { dropout } from '../autograd/ops/dropout.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { formatShape, type Tensor } from '../autograd/tensor.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type InitialiserName, initialiser } from './initialisers.ts';
import { declareConvolution, type ForwardContext, type Network } from './network.ts';
import { declareNorm, type NormName, normalise, normBuffers } from './norm.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';
import { declareUpsample, type Upsample, upsample } from './upsample.ts';

/** Where dropout acts: after the norm of the deeper encoder levels (the paper), of the matching decoder levels (Isola), or nowhere. */
export const DROPOUT_SITES = ['encoder', 'decoder', 'none'] as const;
export type DropoutSite = (typeof DROPOUT_SITES)[number];

/** Borders that the convolutions may have. */
export const PADDING_MODES = ['zeros', 'reflect'] as const;

export interface UNetOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels after the first convolution. */
  readonly ngf: number;
  /** Number of halvings, 2 to 8. */
  readonly levels: number;
  readonly dropoutSite: DropoutSite;
  /** Probability of zeroing, in [0, 1). */
  readonly dropout: number;
  /** Border of the convolutions; transposed ones have none. */
  readonly paddingMode: 'zeros' | 'reflect';
  readonly initialiser: InitialiserName;
  /** Default instance norm. In front of batch norm, no convolution has a bias (d1, dn neither). */
  readonly norm?: NormName;
  /** How the decoder doubles the sides; default `transposed`. */
  readonly upsample?: Upsample;
}

const SLOPE = 0.2;
const LEAKY = { kind: 'leaky_relu', slope: SLOPE } as const;

/** Levels from here to the last but one carry dropout (Isola's three inner levels of eight). */
const FIRST_DROPOUT_LEVEL = 5;

/**
 * The U-Net generator after Isola et al., with instance norm or batch norm:
 *
 *     d1          conv 4×4 s2            (no norm)
 *     d2 … dn-1   LReLU → conv 4×4 s2 → norm
 *     dn          LReLU → conv 4×4 s2    (no norm)
 *     un          ReLU → tconv 4×4 s2 → norm
 *     un-1 … u2   ReLU([skip, up]) → tconv 4×4 s2 → norm
 *     u1          ReLU([skip, up]) → tconv 4×4 s2 → tanh
 *
 * with channels ngf·min(2^(i-1), 8) at level i. With `upsample: 'resize'` each tconv is an enlargement
 * and a convolution 3×3 instead (upsample.ts). Paper section "Model Description"; layer list after
 * pytorch-CycleGAN-and-pix2pix `models/networks.py` (UnetGenerator).
 */
export class UNet implements Network {
  readonly options: UNetOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor>;
  private readonly norm: NormName;

  /** @throws UsageError if an option is out of range */
  constructor(gpu: Gpu, options: UNetOptions, random: RandomStream) {
    if (!Number.isInteger(options.levels) || options.levels < 2 || options.levels > 8) {
      throw new UsageError(
        `U-Net levels must be a whole number from 2 to 8, found ${options.levels}`,
      );
    }
    if (!(options.dropout >= 0 && options.dropout < 1)) {
      throw new UsageError(`dropout must be in [0, 1), found ${options.dropout}`);
    }
    this.options = options;
    this.norm = options.norm ?? 'instance';
    this.parameters = new ParameterSet(gpu, declareUNet(options, random));
    this.buffers = normBuffers(
      gpu,
      this.norm,
      layersOf(options).flatMap(({ name, to, normalised }) =>
        normalised ? [[normOf(name), to] as const] : [],
      ),
    );
  }

  get sizeMultiple(): number {
    return 2 ** this.options.levels;
  }

  /** Whether a training pass draws random numbers. */
  get isStochastic(): boolean {
    const { dropout: probability, dropoutSite, levels } = this.options;
    return probability > 0 && dropoutSite !== 'none' && levels > FIRST_DROPOUT_LEVEL;
  }

  /**
   * @param x `[N,inChannels,H,W]` in [-1,1], H and W multiples of 2^levels
   * @returns `[N,outChannels,H,W]` in [-1,1]
   * @throws ShapeError for other sizes
   */
  forward(x: Tensor, context: ForwardContext): Tensor {
    const { inChannels, levels } = this.options;
    const multiple = this.sizeMultiple;
    if (x.shape.length !== 4 || x.shape[1] !== inChannels) {
      throw new ShapeError(`U-Net expects [N,${inChannels},H,W], found ${formatShape(x.shape)}`);
    }
    if (x.shape[2] % multiple || x.shape[3] % multiple) {
      throw new ShapeError(
        `U-Net with ${levels} levels needs sides that are multiples of ${multiple}, found ${formatShape(x.shape)}`,
      );
    }
    const skips = this.encode(x, context);
    return this.decode(skips, context);
  }

  private bias(layer: string): Tensor | undefined {
    const hasBias = this.norm === 'instance' || layer === 'up1';
    return hasBias ? this.parameters.get(`${layer}.bias`) : undefined;
  }

  /** Outputs of d1 … dn, the leaky ReLU that follows each (after dn: the ReLU) already applied. */
  private encode(x: Tensor, context: ForwardContext): Tensor[] {
    const { levels, paddingMode } = this.options;
    const { precision: elementType } = context;
    const outputs: Tensor[] = [];
    let current = x;
    for (let level = 1; level <= levels; level++) {
      const normalised = level > 1 && level < levels;
      current = conv2d(
        current,
        this.parameters.get(`down${level}.weight`),
        this.bias(`down${level}`),
        {
          stride: 2,
          padding: 1,
          paddingMode,
          // The decoder's ReLU gives the same result on an activated skip, so it is stored once.
          activation: level === 1 ? LEAKY : { kind: level === levels ? 'relu' : 'none' },
          elementType,
        },
      );
      if (normalised) {
        current = normalise(this, this.norm, normOf(`down${level}`), current, context, SLOPE);
        // Dropout scales by 0 or a positive factor, so it commutes with the activation.
        current = this.drop(current, 'encoder', level, context);
      }
      outputs.push(current);
    }
    return outputs;
  }

  private decode(skips: readonly Tensor[], context: ForwardContext): Tensor {
    const { levels, paddingMode, upsample: kind = 'transposed' } = this.options;
    let current = skips[levels - 1];
    for (let level = levels; level >= 1; level--) {
      current = upsample(
        kind,
        current,
        this.parameters.get(`up${level}.weight`),
        this.bias(`up${level}`),
        {
          paddingMode,
          activation: { kind: level === 1 ? 'tanh' : 'none' },
          elementType: level === 1 ? 'f32' : context.precision,
        },
      );
      if (level === 1) break;
      current = normalise(this, this.norm, normOf(`up${level}`), current, context);
      current = this.drop(current, 'decoder', level, context);
      current = concat([skips[level - 2], current], 1, { kind: 'relu' });
    }
    return current;
  }

  private drop(x: Tensor, site: DropoutSite, level: number, context: ForwardContext): Tensor {
    const { dropout: probability, dropoutSite, levels } = this.options;
    const inside = level >= FIRST_DROPOUT_LEVEL && level < levels;
    if (!context.training || dropoutSite !== site || probability === 0 || !inside) return x;
    return dropout(x, probability, {
      seed: context.seed,
      step: context.step,
      site: context.pass * 16 + level,
    });
  }
}

/** Channels after level i of the encoder. */
function channelsAt(level: number, ngf: number): number {
  return ngf * Math.min(2 ** (level - 1), 8);
}

/** `norm_down2` behind `down2`. */
const normOf = (layer: string): string => `norm_${layer}`;

interface Layer {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly normalised: boolean;
}

/** d1 … dn, un … u1. */
function layersOf({ inChannels, outChannels, ngf, levels }: UNetOptions): Layer[] {
  const layers: Layer[] = [];
  for (let level = 1; level <= levels; level++) {
    layers.push({
      name: `down${level}`,
      from: level === 1 ? inChannels : channelsAt(level - 1, ngf),
      to: channelsAt(level, ngf),
      normalised: level > 1 && level < levels,
    });
  }
  for (let level = levels; level >= 1; level--) {
    layers.push({
      name: `up${level}`,
      from: channelsAt(level, ngf) * (level === levels ? 1 : 2),
      to: level === 1 ? outChannels : channelsAt(level - 1, ngf),
      normalised: level > 1,
    });
  }
  return layers;
}

/** The parameters that a U-Net of these options has. */
export function declareUNet(options: UNetOptions, random: RandomStream): ParameterDeclaration[] {
  const { norm = 'instance', upsample: kind = 'transposed' } = options;
  const initialise = initialiser(options.initialiser, random);
  return layersOf(options).flatMap(({ name, from, to, normalised }) => {
    const bias = norm === 'instance' || name === 'up1';
    const cancelled = normalised && norm === 'instance';
    return [
      ...(name.startsWith('down')
        ? declareConvolution(name, [to, from, 4, 4], initialise, {
            bias,
            biasLength: to,
            cancelled,
          })
        : declareUpsample(kind, { name, from, to, kernel: 4, bias, cancelled }, initialise)),
      ...(normalised ? declareNorm(norm, normOf(name), to, options.initialiser, random) : []),
    ];
  });
}

import { add } from '../autograd/ops/arithmetic.ts';
import { concat } from '../autograd/ops/concat.ts';
import { conv2d } from '../autograd/ops/conv2d.ts';
import { instanceNorm } from '../autograd/ops/instance-norm.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { formatShape, type Tensor } from '../autograd/tensor.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type InitialiserName, initialiser } from './initialisers.ts';
import { declareConvolution, type ForwardContext, type Network } from './network.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';
import { declareUpsample, type Upsample, upsample } from './upsample.ts';

export interface ResNetOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels after the first convolution. */
  readonly ngf: number;
  /** Residual blocks; CycleGAN has 9 at 256 pixels. */
  readonly blocks: number;
  readonly initialiser: InitialiserName;
  /** How the decoder doubles the sides; default `transposed`. */
  readonly upsample?: Upsample;
  /** Border of the strided convolutions; default `zeros`. All others are reflected. */
  readonly downPadding?: 'zeros' | 'reflect';
  /** Whether the decoder sees the encoder's maps of the same size beside its own; default not. */
  readonly skips?: boolean;
}

const RELU = { kind: 'relu' } as const;

/**
 * CycleGAN's generator after Johnson et al.:
 *
 *     stem        reflect 3, conv 7×7 in→ngf, norm, ReLU
 *     down1, 2    conv 3×3 s2 →2ngf →4ngf, norm, ReLU
 *     blockN      x + [reflect 1, conv 3×3, norm, ReLU, reflect 1, conv 3×3, norm]
 *     up1, 2      tconv 3×3 s2 →2ngf →ngf, norm, ReLU
 *     head        reflect 3, conv 7×7 →out, tanh
 *
 * with instance norm, a bias everywhere and no dropout; layer list after
 * pytorch-CycleGAN-and-pix2pix `models/networks.py` (ResnetGenerator). With `upsample: 'resize'` each tconv
 * is an enlargement and a reflected convolution 3×3 instead (upsample.ts); with `skips` the output of
 * down1 joins that of up1, and the stem's that of up2, as [encoder, decoder]: after the challenge code of
 * the proposed method's authors (CDX-USChallenge `GnD.py`).
 */
export class ResNet implements Network {
  /** Two halvings. */
  static readonly SIZE_MULTIPLE = 4;
  readonly options: ResNetOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor> = new Map();
  readonly sizeMultiple = ResNet.SIZE_MULTIPLE;

  /** @throws UsageError unless there is at least one block */
  constructor(gpu: Gpu, options: ResNetOptions, random: RandomStream) {
    if (!Number.isInteger(options.blocks) || options.blocks < 1) {
      throw new UsageError(`ResNet: expected at least 1 residual block, found ${options.blocks}`);
    }
    this.options = options;
    this.parameters = new ParameterSet(gpu, declareResNet(options, random));
  }

  /**
   * @param x `[N,inChannels,H,W]` in [-1,1], H and W multiples of 4, at least 8
   * @returns `[N,outChannels,H,W]` in [-1,1]
   * @throws ShapeError for other sizes
   */
  forward(x: Tensor, { precision }: Pick<ForwardContext, 'precision'> = {}): Tensor {
    const { inChannels, blocks } = this.options;
    const [, channels, height, width] = x.shape;
    if (x.shape.length !== 4 || channels !== inChannels) {
      throw new ShapeError(`ResNet expects [N,${inChannels},H,W], found ${formatShape(x.shape)}`);
    }
    if (height % this.sizeMultiple || width % this.sizeMultiple || Math.min(height, width) < 8) {
      throw new ShapeError(
        `ResNet needs sides that are multiples of ${this.sizeMultiple} from 8, found ${formatShape(x.shape)}`,
      );
    }
    const first = this.convolve('stem', x, 1, 3, 'reflect', precision);
    const stem = instanceNorm(first, { activation: RELU });
    const down1 = this.halve('down1', stem);
    let current = this.halve('down2', down1);
    for (let block = 1; block <= blocks; block++) current = this.residual(block, current);
    current = this.double('up1', current, down1);
    current = this.double('up2', current, stem);
    return conv2d(current, ...this.layer('head'), {
      padding: 3,
      paddingMode: 'reflect',
      activation: { kind: 'tanh' },
      elementType: 'f32',
    });
  }

  private halve(name: string, x: Tensor): Tensor {
    const { downPadding = 'zeros' } = this.options;
    return instanceNorm(this.convolve(name, x, 2, 1, downPadding), { activation: RELU });
  }

  /** @param skip the encoder's map of the size to reach */
  private double(name: string, x: Tensor, skip: Tensor): Tensor {
    const { upsample: kind = 'transposed', skips = false } = this.options;
    const [weight, bias] = this.layer(name);
    const up = upsample(kind, x, weight, bias, { paddingMode: 'reflect', outputPadding: 1 });
    const normalised = instanceNorm(up, { activation: RELU });
    return skips ? concat([skip, normalised], 1) : normalised;
  }

  private residual(block: number, x: Tensor): Tensor {
    const first = this.convolve(`block${block}.conv1`, x, 1, 1, 'reflect');
    const inner = instanceNorm(first, { activation: RELU });
    return add(x, instanceNorm(this.convolve(`block${block}.conv2`, inner, 1, 1, 'reflect')));
  }

  private convolve(
    name: string,
    x: Tensor,
    stride: number,
    padding: number,
    paddingMode: 'zeros' | 'reflect',
    elementType = x.elementType,
  ): Tensor {
    return conv2d(x, ...this.layer(name), { stride, padding, paddingMode, elementType });
  }

  private layer(name: string): [Tensor, Tensor] {
    return [this.parameters.get(`${name}.weight`), this.parameters.get(`${name}.bias`)];
  }
}

/** The parameters that a ResNet of these options has. */
export function declareResNet(
  options: ResNetOptions,
  random: RandomStream,
): ParameterDeclaration[] {
  const { inChannels, outChannels, ngf, blocks, upsample: kind = 'transposed' } = options;
  const initialise = initialiser(options.initialiser, random);
  const joined = options.skips ? 2 : 1;
  const convolution = (layer: string, from: number, to: number, side: number) =>
    declareConvolution(layer, [to, from, side, side], initialise, {
      bias: true,
      biasLength: to,
      cancelled: layer !== 'head',
    });
  const doubling = (name: string, from: number, to: number) =>
    declareUpsample(kind, { name, from, to, kernel: 3, bias: true, cancelled: true }, initialise);
  return [
    ...convolution('stem', inChannels, ngf, 7),
    ...convolution('down1', ngf, 2 * ngf, 3),
    ...convolution('down2', 2 * ngf, 4 * ngf, 3),
    ...Array.from({ length: blocks }, (_, index) => [
      ...convolution(`block${index + 1}.conv1`, 4 * ngf, 4 * ngf, 3),
      ...convolution(`block${index + 1}.conv2`, 4 * ngf, 4 * ngf, 3),
    ]).flat(),
    ...doubling('up1', 4 * ngf, 2 * ngf),
    ...doubling('up2', joined * 2 * ngf, ngf),
    ...convolution('head', joined * ngf, outChannels, 7),
  ];
}

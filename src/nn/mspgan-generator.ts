import { add } from '../autograd/ops/arithmetic.ts';
import { concat } from '../autograd/ops/concat.ts';
import { convTranspose2d } from '../autograd/ops/conv-transpose2d.ts';
import { conv2d } from '../autograd/ops/conv2d.ts';
import { instanceNorm } from '../autograd/ops/instance-norm.ts';
import { resizeBilinear } from '../autograd/ops/resize-bilinear.ts';
import { scale } from '../autograd/ops/scale.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { formatShape, type Tensor } from '../autograd/tensor.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type InitialiserName, initialiser } from './initialisers.ts';
import { declareConvolution, type ForwardContext, type Network } from './network.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';
import { declareTransformerLayer, transformerLayer } from './transformer.ts';
import { declareUpsample, type Upsample, upsample } from './upsample.ts';

export interface MspganGeneratorOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels after the first convolution; a token has four times as many. */
  readonly ngf: number;
  /** Residual blocks before the transformer, and again behind it. */
  readonly blocks: number;
  /** Layers of the transformer. */
  readonly layers: number;
  readonly heads: number;
  /** Side of the map of learned positions: an eighth of the training images' side. */
  readonly positions: number;
  readonly initialiser: InitialiserName;
  /** How the decoder doubles the sides; default `transposed`. */
  readonly upsample?: Upsample;
}

const RELU = { kind: 'relu' } as const;
/** Of the transformer's MLPs. */
const EXPANSION = 4;
/** Standard deviation of the first positions, as in vision transformers. */
const POSITION_DEVIATION = 0.02;

/**
 * The generator of the reconstructed MSPGAN: CycleGAN's ResNet with a vision transformer as its bottleneck.
 *
 *     stem, down1, down2    as ResNet: →ngf →2ngf →4ngf, two halvings, instance norm, ReLU
 *     before1, …            residual blocks
 *     tokens                conv 2×2 s2; + position; transformer layers
 *     maps                  tconv 2×2 s2, added to what went into `tokens`
 *     after1, …             residual blocks
 *     up1, up2, head        as ResNet, tanh; up1 and up2 with its choice of `upsample`
 *
 * For images of other sizes than those trained on, the positions are resized bilinearly. The publication (Xia et
 * al. 2022) gives neither sizes nor code; these are a reconstruction. There is no norm behind the last layer, nor
 * any around `tokens` and `maps`.
 */
export class MspganGenerator implements Network {
  /** Three halvings. */
  static readonly SIZE_MULTIPLE = 8;
  readonly options: MspganGeneratorOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor> = new Map();
  readonly sizeMultiple = MspganGenerator.SIZE_MULTIPLE;

  /** @throws UsageError if an option is out of range, or heads do not divide the width */
  constructor(gpu: Gpu, options: MspganGeneratorOptions, random: RandomStream) {
    const width = 4 * options.ngf;
    if (width % options.heads) {
      throw new UsageError(
        `MSPGAN generator: ${options.heads} attention heads do not divide ${width} channels (4·ngf)`,
      );
    }
    for (const name of ['ngf', 'blocks', 'layers', 'heads', 'positions'] as const) {
      if (!Number.isInteger(options[name]) || options[name] < 1) {
        throw new UsageError(
          `MSPGAN generator: expected ${name} to be a whole number of at least 1, found ${options[name]}`,
        );
      }
    }
    this.options = options;
    this.parameters = new ParameterSet(gpu, declareMspganGenerator(options, random));
  }

  /**
   * @param x `[N,inChannels,H,W]` in [-1,1], H and W multiples of 8
   * @returns `[N,outChannels,H,W]` in [-1,1]
   * @throws ShapeError for other sizes
   */
  forward(x: Tensor, context: Pick<ForwardContext, 'precision'> = {}): Tensor {
    return this.decode(this.encode(x, context));
  }

  /**
   * The encoder's features: `[N,ngf,H,W]`, `[N,2ngf,H/2,W/2]`, `[N,4ngf,H/4,W/4]`, stored as the context says.
   * @throws ShapeError for other sizes than `forward` takes
   */
  encode(
    x: Tensor,
    { precision }: Pick<ForwardContext, 'precision'> = {},
  ): [Tensor, Tensor, Tensor] {
    const { inChannels } = this.options;
    const [, channels, height, width] = x.shape;
    const multiple = this.sizeMultiple;
    if (x.shape.length !== 4 || channels !== inChannels || height % multiple || width % multiple) {
      throw new ShapeError(
        `MSPGAN generator expects [N,${inChannels},H,W] with sides that are multiples of ${multiple}, found ${formatShape(x.shape)}`,
      );
    }
    const stem = conv2d(x, ...this.layer('stem'), {
      padding: 3,
      paddingMode: 'reflect',
      elementType: precision,
    });
    const first = instanceNorm(stem, { activation: RELU });
    const halve = (name: string, input: Tensor): Tensor =>
      instanceNorm(conv2d(input, ...this.layer(name), { stride: 2, padding: 1 }), {
        activation: RELU,
      });
    const second = halve('down1', first);
    return [first, second, halve('down2', second)];
  }

  /** From the encoder's features to the image. */
  decode([, , encoded]: readonly [Tensor, Tensor, Tensor]): Tensor {
    const { blocks } = this.options;
    let current = encoded;
    for (let block = 1; block <= blocks; block++)
      current = this.residual(`before${block}`, current);
    current = add(current, this.transform(current));
    for (let block = 1; block <= blocks; block++) current = this.residual(`after${block}`, current);
    const { upsample: kind = 'transposed' } = this.options;
    for (const name of ['up1', 'up2']) {
      const [weight, bias] = this.layer(name);
      const border = { paddingMode: 'reflect', outputPadding: 1 } as const;
      current = instanceNorm(upsample(kind, current, weight, bias, border), { activation: RELU });
    }
    return conv2d(current, ...this.layer('head'), {
      padding: 3,
      paddingMode: 'reflect',
      activation: { kind: 'tanh' },
      elementType: 'f32',
    });
  }

  private transform(x: Tensor): Tensor {
    const { layers, heads } = this.options;
    const tokens = conv2d(x, ...this.layer('tokens'), { stride: 2 });
    let current = add(tokens, this.positionsFor(tokens));
    for (let layer = 1; layer <= layers; layer++) {
      current = transformerLayer(this.parameters, `layer${layer}`, heads, current);
    }
    return convTranspose2d(current, ...this.layer('maps'), { stride: 2 });
  }

  /** The learned positions in the shape of a batch of tokens, and stored as these; gradients are added up in f32. */
  private positionsFor(tokens: Tensor): Tensor {
    const [batch, , height, width] = tokens.shape;
    const learned = this.parameters.get('position.weight');
    const [, , rows, columns] = learned.shape;
    const fits = rows === height && columns === width;
    const one = fits ? learned : resizeBilinear(learned, { height, width });
    const all = Array.from({ length: batch }, () => one);
    const positions = batch === 1 ? one : concat(all, 0);
    const { elementType } = tokens;
    return elementType === 'f32' ? positions : scale(positions, 1, elementType);
  }

  private residual(name: string, x: Tensor): Tensor {
    const convolve = (part: string, input: Tensor): Tensor =>
      conv2d(input, ...this.layer(`${name}.${part}`), { padding: 1, paddingMode: 'reflect' });
    const inner = instanceNorm(convolve('conv1', x), { activation: RELU });
    return add(x, instanceNorm(convolve('conv2', inner)));
  }

  private layer(name: string): [Tensor, Tensor] {
    return [this.parameters.get(`${name}.weight`), this.parameters.get(`${name}.bias`)];
  }
}

/** The parameters that a generator of these options has. */
export function declareMspganGenerator(
  options: MspganGeneratorOptions,
  random: RandomStream,
): ParameterDeclaration[] {
  const { inChannels, outChannels, ngf, blocks, layers, heads, positions } = options;
  const { upsample: kind = 'transposed' } = options;
  const initialise = initialiser(options.initialiser, random);
  const width = 4 * ngf;
  /** Those in front of instance norm have a bias that does nothing. */
  const convolution = (layer: string, from: number, to: number, side: number, cancelled = true) =>
    declareConvolution(layer, [to, from, side, side], initialise, {
      bias: true,
      biasLength: to,
      cancelled,
    });
  const doubling = (name: string, from: number, to: number) =>
    declareUpsample(kind, { name, from, to, kernel: 3, bias: true, cancelled: true }, initialise);
  const residuals = (name: string) =>
    Array.from({ length: blocks }, (_, index) =>
      ['conv1', 'conv2'].flatMap((part) =>
        convolution(`${name}${index + 1}.${part}`, width, width, 3),
      ),
    ).flat();
  const shape = [1, width, positions, positions];
  return [
    ...convolution('stem', inChannels, ngf, 7),
    ...convolution('down1', ngf, 2 * ngf, 3),
    ...convolution('down2', 2 * ngf, width, 3),
    ...residuals('before'),
    ...convolution('tokens', width, width, 2, false),
    {
      name: 'position.weight',
      shape,
      initialise: () =>
        new Float32Array(width * positions * positions).map(
          () => random.normal() * POSITION_DEVIATION,
        ),
    },
    ...Array.from({ length: layers }, (_, index) =>
      declareTransformerLayer(
        `layer${index + 1}`,
        { width, heads, expansion: EXPANSION },
        initialise,
      ),
    ).flat(),
    ...declareConvolution('maps', [width, width, 2, 2], initialise, {
      bias: true,
      biasLength: width,
      // Convolutions with reflected borders leave a shift of a whole map to the norm behind up1.
      cancelled: kind === 'resize',
    }),
    ...residuals('after'),
    ...doubling('up1', width, 2 * ngf),
    ...doubling('up2', 2 * ngf, ngf),
    ...convolution('head', ngf, outChannels, 7, false),
  ];
}

import type { ElementType } from '../../kernels/element-types.ts';
import { add } from '../autograd/ops/arithmetic.ts';
import { concat } from '../autograd/ops/concat.ts';
import { conv2d } from '../autograd/ops/conv2d.ts';
import { flowGrid } from '../autograd/ops/flow-grid.ts';
import { gridSample } from '../autograd/ops/grid-sample.ts';
import { instanceNorm } from '../autograd/ops/instance-norm.ts';
import { mseLoss } from '../autograd/ops/losses.ts';
import { maxPool2d } from '../autograd/ops/max-pool2d.ts';
import { resizeBilinear } from '../autograd/ops/resize-bilinear.ts';
import { sliceColumns, sliceRows } from '../autograd/ops/slice.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { formatShape, sizeOf, type Tensor } from '../autograd/tensor.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Initialiser } from './initialisers.ts';
import { declareConvolution, type ForwardContext, type Network } from './network.ts';
import { type ParameterDeclaration, ParameterSet } from './parameter-set.ts';

export interface RegistrationOptions {
  /** Channels of the first level; all others have twice as many, the bottleneck four times. RegGAN: 32. */
  readonly width: number;
  /** Number of halvings, 1 to 7; RegGAN has 7 at 256 pixels. */
  readonly levels: number;
}

const LEAKY = { kind: 'leaky_relu', slope: 0.2 } as const;
const NONE = { kind: 'none' } as const;
const BOTTLENECK_BLOCKS = 3;

/**
 * RegGAN's registration network: how to move each pixel of one image for it to lie on another.
 *
 *     downN       conv 3×3, LReLU, residual block (the skip), max-pool 2      width, 2·width, …
 *     bottleneck  conv 1×1 →4·width, LReLU, three residual blocks, conv 1×1 →2·width, LReLU
 *     upN         bilinear to the skip's size, [x, skip], conv 3×3, LReLU
 *     refine      residual block, conv 1×1, LReLU
 *     output      conv 3×3 →2, starting near 0
 *
 * A residual block is x + [reflect 1, conv 3×3, norm, ReLU, reflect 1, conv 3×3, norm] with instance
 * norm. Layer list after Reg-GAN `trainer/reg.py`, `trainer/layers.py` (Kong et al. 2021).
 */
export class RegistrationNet implements Network {
  readonly options: RegistrationOptions;
  readonly parameters: ParameterSet;
  readonly buffers: ReadonlyMap<string, Tensor> = new Map();

  /** @throws UsageError unless there are 1 to 7 levels */
  constructor(gpu: Gpu, options: RegistrationOptions, random: RandomStream) {
    const { levels } = options;
    if (!Number.isInteger(levels) || levels < 1 || levels > 7) {
      throw new UsageError(`registration: expected 1 to 7 levels, found ${levels}`);
    }
    this.options = options;
    this.parameters = new ParameterSet(gpu, declareRegistration(options, random));
  }

  /**
   * @param pair `[N,2,H,W]`, the image to move beside the one to reach; sides at least 2·2^levels
   * @returns flow `[N,2,H,W]` in pixels, channel 0 along rows, 1 along columns
   * @throws ShapeError for other shapes
   */
  forward(pair: Tensor, { precision }: Pick<ForwardContext, 'precision'> = {}): Tensor {
    const { levels } = this.options;
    const [, channels, height, width] = pair.shape;
    const smallest = 2 * 2 ** levels;
    if (pair.shape.length !== 4 || channels !== 2 || Math.min(height, width) < smallest) {
      throw new ShapeError(
        `registration of ${levels} levels expects [N,2,H,W] with sides from ${smallest}, found ${formatShape(pair.shape)}`,
      );
    }
    const skips: Tensor[] = [];
    let current = pair;
    for (let level = 1; level <= levels; level++) {
      const elementType = level === 1 ? precision : current.elementType;
      const wider = this.convolve(`down${level}.conv`, current, 1, elementType);
      current = this.residual(`down${level}.residual`, wider);
      skips.push(current);
      current = maxPool2d(current, { kernel: 2, stride: 2 });
    }
    current = this.convolve('bottleneck.first', current, 0);
    for (let block = 1; block <= BOTTLENECK_BLOCKS; block++) {
      current = this.residual(`bottleneck.residual${block}`, current);
    }
    current = this.convolve('bottleneck.last', current, 0);
    for (let level = levels; level >= 1; level--) {
      const skip = skips[level - 1];
      const [, , skipHeight, skipWidth] = skip.shape;
      const larger = resizeBilinear(current, { height: skipHeight, width: skipWidth });
      current = this.convolve(`up${level}`, concat([larger, skip], 1));
    }
    current = this.convolve('refine.conv', this.residual('refine.residual', current), 0);
    return conv2d(current, ...this.layer('output'), {
      padding: 1,
      activation: NONE,
      elementType: 'f32',
    });
  }

  private convolve(
    name: string,
    x: Tensor,
    padding = 1,
    elementType: ElementType | undefined = x.elementType,
  ): Tensor {
    return conv2d(x, ...this.layer(name), { padding, activation: LEAKY, elementType });
  }

  private residual(name: string, x: Tensor): Tensor {
    const convolve = (part: string, input: Tensor): Tensor =>
      conv2d(input, ...this.layer(`${name}.${part}`), { padding: 1, paddingMode: 'reflect' });
    const inner = instanceNorm(convolve('conv1', x), { activation: { kind: 'relu' } });
    return add(x, instanceNorm(convolve('conv2', inner)));
  }

  private layer(name: string): [Tensor, Tensor] {
    return [this.parameters.get(`${name}.weight`), this.parameters.get(`${name}.bias`)];
  }
}

/**
 * Moves x `[N,C,H,W]` by a flow `[N,2,H,W]` in pixels: the result at a place is x at place + flow, bilinear,
 * the border continued outside.
 */
export function warp(x: Tensor, flow: Tensor): Tensor {
  return gridSample(x, flowGrid(flow), { alignCorners: true, paddingMode: 'border' });
}

/** How uneven a flow is: mean squared differences of neighbours along rows, plus along columns. */
export function smoothness(flow: Tensor): Tensor {
  const [, , height, width] = flow.shape;
  return add(
    mseLoss(sliceRows(flow, 1, height - 1), sliceRows(flow, 0, height - 1)),
    mseLoss(sliceColumns(flow, 1, width - 1), sliceColumns(flow, 0, width - 1)),
  );
}

/** N(0, deviation(fan_in)), biases 0. */
function normal(random: RandomStream, deviation: (fanIn: number) => number): Initialiser {
  return (shape, kind, fanIn) => {
    const values = new Float32Array(sizeOf(shape));
    if (kind === 'bias') return values;
    return values.map(() => random.normal() * deviation(fanIn));
  };
}

/**
 * The parameters of a registration network, Kaiming normal over fan_in: gain for a leaky ReLU of 0.2,
 * in residual blocks for a ReLU; the last layer N(0, 1e-5), so that it starts near no movement at all.
 */
export function declareRegistration(
  { width, levels }: RegistrationOptions,
  random: RandomStream,
): ParameterDeclaration[] {
  const leaky = normal(random, (fanIn) => Math.sqrt(2 / (1.04 * fanIn)));
  const plain = normal(random, (fanIn) => Math.sqrt(2 / fanIn));
  const tiny = normal(random, () => 1e-5);
  const convolution = (name: string, from: number, to: number, side: number, values = leaky) =>
    declareConvolution(name, [to, from, side, side], values, { bias: true, biasLength: to });
  const residual = (name: string, channels: number) =>
    ['conv1', 'conv2'].flatMap((part) =>
      declareConvolution(`${name}.${part}`, [channels, channels, 3, 3], plain, {
        bias: true,
        biasLength: channels,
        cancelled: true,
      }),
    );
  const channelsAt = (level: number): number => (level === 1 ? width : 2 * width);
  const declarations: ParameterDeclaration[] = [];
  for (let level = 1; level <= levels; level++) {
    const from = level === 1 ? 2 : channelsAt(level - 1);
    declarations.push(...convolution(`down${level}.conv`, from, channelsAt(level), 3));
    declarations.push(...residual(`down${level}.residual`, channelsAt(level)));
  }
  declarations.push(...convolution('bottleneck.first', channelsAt(levels), 4 * width, 1));
  for (let block = 1; block <= BOTTLENECK_BLOCKS; block++) {
    declarations.push(...residual(`bottleneck.residual${block}`, 4 * width));
  }
  declarations.push(...convolution('bottleneck.last', 4 * width, 2 * width, 1));
  for (let level = levels; level >= 1; level--) {
    const below = 2 * width;
    declarations.push(
      ...convolution(`up${level}`, below + channelsAt(level), channelsAt(level), 3),
    );
  }
  declarations.push(...residual('refine.residual', width));
  declarations.push(...convolution('refine.conv', width, width, 1));
  declarations.push(...convolution('output', width, 2, 3, tiny));
  return declarations;
}

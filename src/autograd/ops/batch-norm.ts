import { type Activation, NONE } from '../../../kernels/activation.ts';
import {
  type BatchNormSpec,
  batchNormForward,
  batchNormRunning,
  batchNormStatistics,
} from '../../../kernels/batch-norm.ts';
import { ShapeError } from '../../errors.ts';
import type { TrainingKernels } from '../graph.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { leakyRelu } from './activations.ts';
import { requireActivation, requireFinite, requireImage } from './check.ts';

export interface RunningStatistics {
  /** `[C]` each. */
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** What may follow batch norm in one call. */
export type BatchNormActivation = Extract<Activation, { kind: 'leaky_relu' }> | typeof NONE;

export interface BatchNormOptions {
  /** Statistics of the batch, which the running ones follow; else the running ones are used. */
  readonly training: boolean;
  /** Added to the variance; default 1e-5, as in PyTorch. */
  readonly epsilon?: number;
  /** Share of the new statistics in the running ones; default 0.1, as in PyTorch. */
  readonly momentum?: number;
  /** Applied to the result: none (default) or a leaky ReLU. */
  readonly activation?: BatchNormActivation;
}

/**
 * Normalises every channel of x `[N,C,H,W]` over batch and pixels: γ·(x - mean)/sqrt(variance + ε) + β,
 * with the biased variance; the running variance follows the unbiased one (`torch.nn.BatchNorm2d`).
 * In training, `running` is updated in place.
 * @param weight γ `[C]`
 * @param bias β `[C]`
 * @throws ShapeError if shapes do not fit, or channels have a single value in training; UsageError for a slope as
 *   `leakyRelu`, or an epsilon or momentum that is not finite
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  running: RunningStatistics,
  options: BatchNormOptions,
): Tensor {
  const { training, epsilon = 1e-5, momentum = 0.1, activation = NONE } = options;
  const { batch, channels, height, width } = requireImage('batchNorm', x);
  requireFinite('batchNorm', 'epsilon', epsilon);
  requireFinite('batchNorm', 'momentum', momentum);
  requireActivation('batchNorm', activation);
  for (const tensor of [weight, bias, running.mean, running.variance]) {
    if (tensor.shape.length !== 1 || tensor.shape[0] !== channels) {
      throw new ShapeError(
        `batchNorm of ${formatShape(x.shape)} needs tensors [${channels}], found ${formatShape(tensor.shape)}`,
      );
    }
  }
  if (training && batch * height * width < 2) {
    throw new ShapeError(
      `batchNorm needs more than one value a channel in training, found ${formatShape(x.shape)}`,
    );
  }
  const spec: BatchNormSpec = { batch, channels, pixels: height * width, epsilon, momentum };
  const { profile } = x.gpu;
  const statistics = emptyTensor(x.gpu, [channels, 4]);
  if (training) {
    runKernel(batchNormStatistics(spec, profile), [x, statistics, running.mean, running.variance]);
  } else {
    runKernel(batchNormRunning(spec), [running.mean, running.variance, statistics]);
  }
  const y = emptyLike(x);
  runKernel(batchNormForward(spec), [x, statistics, weight, bias, y]);
  attach(y, 'batch_norm', [x, weight, bias], (dy) => {
    let made: readonly [Tensor, Tensor] | undefined;
    const sums = (kernels: TrainingKernels): readonly [Tensor, Tensor] => {
      if (!made) {
        made = [emptyTensor(x.gpu, [channels]), emptyTensor(x.gpu, [channels])];
        runKernel(kernels.batchNormSums(spec, profile), [dy, x, statistics, ...made]);
      }
      return made;
    };
    return [
      (_target, _gate, kernels) => {
        const dx = emptyLike(x);
        runKernel(kernels.batchNormBackward(spec, training), [
          dy,
          x,
          statistics,
          weight,
          // In evaluation they are not looked at; any tensor will do.
          ...(training ? sums(kernels) : [weight, weight]),
          dx,
        ]);
        return dx;
      },
      (_target, _gate, kernels) => sums(kernels)[0],
      (_target, _gate, kernels) => sums(kernels)[1],
    ];
  });
  return activation.kind === 'leaky_relu' ? leakyRelu(y, activation.slope) : y;
}

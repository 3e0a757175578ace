import { type Activation, NONE } from '../../../kernels/activation.ts';
import {
  type InstanceNormSpec,
  instanceNormForward,
  isOutputSaved,
} from '../../../kernels/instance-norm.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireActivation, requireFinite, requireImage } from './check.ts';

export interface InstanceNormOptions {
  /** Added to the variance; default 1e-5, as in PyTorch. */
  readonly epsilon?: number;
  /** Applied to the normalised values in the same pass; default none. */
  readonly activation?: Activation;
}

/**
 * Normalises every plane of x `[N,C,H,W]`: f((x - mean)/sqrt(variance + ε)), with the biased variance
 * of the plane's pixels, and no learned scale or shift (`torch.nn.InstanceNorm2d`).
 * @throws ShapeError if planes have a single pixel (their result would be 0 whatever the input); UsageError for a
 *   slope as `leakyRelu`, or an epsilon that is not finite
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  const { epsilon = 1e-5, activation = NONE } = options;
  const { batch, channels, height, width } = requireImage('instanceNorm', x);
  if (height * width < 2) {
    throw new ShapeError(
      `instanceNorm needs more than one pixel a plane, found ${formatShape(x.shape)}`,
    );
  }
  requireActivation('instanceNorm', activation);
  requireFinite('instanceNorm', 'epsilon', epsilon);
  const spec: InstanceNormSpec = {
    planes: batch * channels,
    pixels: height * width,
    epsilon,
    activation,
  };
  const { profile } = x.gpu;
  const y = emptyLike(x);
  const statistics = emptyTensor(x.gpu, [spec.planes, 2]);
  runKernel(instanceNormForward(spec, profile), [x, y, statistics]);
  return attach(y, 'instance_norm', [x], (dy) => [
    (_target, _gate, training) => {
      const dx = emptyLike(x);
      const saved = isOutputSaved(activation) ? y : x;
      runKernel(training.instanceNormBackward(spec, profile), [dy, saved, statistics, dx]);
      return dx;
    },
  ]);
}

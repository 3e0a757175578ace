import { maxPool2dBackward, maxPool2dForward } from '../../../kernels/max-pool2d.ts';
import type { MaxPool2dSpec } from '../../../kernels/max-pool2d-spec.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, runPlan, type Tensor } from '../tensor.ts';
import { requireImage } from './check.ts';

export interface MaxPool2dOptions {
  /** Window height and width. */
  readonly kernel: number;
  readonly stride: number;
  /** Pixels around the image that no window takes its maximum from; at most half the kernel. Default 0. */
  readonly padding?: number;
  /** Whether a last window may reach over the far border. Default false. */
  readonly ceilMode?: boolean;
}

/**
 * Windows along one axis (`torch.nn.functional.max_pool2d`): ⌊(size + 2p - k)/s⌋ + 1, with ceilMode
 * ⌈·⌉ + 1, less one if the last window would start beyond the image and its near padding.
 */
export function pooledSize(size: number, options: MaxPool2dOptions): number {
  const { kernel, stride, padding = 0, ceilMode = false } = options;
  const steps = (size + 2 * padding - kernel) / stride;
  const windows = (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
  return ceilMode && (windows - 1) * stride >= size + padding ? windows - 1 : windows;
}

/**
 * Maximum over k×k windows of each plane of `[N,C,H,W]`. Ties go to the first element of a window in
 * row-major order, NaN beats everything; the gradient goes to the winner.
 * @throws ShapeError if a window does not fit, or the padding exceeds half the kernel
 */
export function maxPool2d(x: Tensor, options: MaxPool2dOptions): Tensor {
  const { batch, channels, height, width } = requireImage('maxPool2d', x);
  const { kernel, stride, padding = 0 } = options;
  const whole = [kernel, stride, padding].every(Number.isInteger);
  if (!whole || kernel < 1 || stride < 1 || padding < 0 || padding > kernel / 2) {
    throw new ShapeError(
      `maxPool2d: kernel ${kernel}, stride ${stride}, padding ${padding} are not whole numbers with padding at most half the kernel`,
    );
  }
  const outputHeight = pooledSize(height, options);
  const outputWidth = pooledSize(width, options);
  if (outputHeight < 1 || outputWidth < 1) {
    throw new ShapeError(
      `maxPool2d with kernel ${kernel} and padding ${padding} does not fit ${formatShape(x.shape)}`,
    );
  }
  const spec: MaxPool2dSpec = {
    planes: batch * channels,
    height,
    width,
    outputHeight,
    outputWidth,
    kernel,
    stride,
    padding,
  };
  const y = emptyLike(x, [batch, channels, outputHeight, outputWidth]);
  runKernel(maxPool2dForward(spec, x.gpu.profile), [x, y]);
  return attach(y, 'max_pool2d', [x], (dy) => [
    (target) => {
      const dx = target?.tensor ?? emptyLike(x);
      runPlan(maxPool2dBackward(spec, x.gpu.profile, target?.filled), [x, dy], [dx]);
      return dx;
    },
  ]);
}

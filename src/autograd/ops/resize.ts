import { resizeForward } from '../../../kernels/resize.ts';
import type { ResizeMode, ResizeSpec } from '../../../kernels/resize-spec.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';
import { requireImage } from './check.ts';

/** Largest height or width: positions are computed in 32-bit integers. */
const MAX_EXTENT = 16384;

/** Resamples every plane of `[N,C,H,W]` to `[N,C,height,width]`. @throws ShapeError */
export function resize(
  op: string,
  mode: ResizeMode,
  x: Tensor,
  size: { readonly height: number; readonly width: number },
): Tensor {
  const { batch, channels, height, width } = requireImage(op, x);
  for (const extent of [size.height, size.width, height, width]) {
    if (!(Number.isInteger(extent) && extent > 0 && extent <= MAX_EXTENT)) {
      throw new ShapeError(
        `${op} needs heights and widths of 1 to ${MAX_EXTENT}, found ${height}x${width} to ${size.height}x${size.width}`,
      );
    }
  }
  const spec: ResizeSpec = {
    mode,
    planes: batch * channels,
    height,
    width,
    outputHeight: size.height,
    outputWidth: size.width,
  };
  const y = emptyLike(x, [batch, channels, size.height, size.width]);
  runKernel(resizeForward(spec), [x, y]);
  return attach(y, op, [x], (dy) => [
    (_target, _gate, training) => {
      const dx = emptyLike(x);
      runKernel(training.resizeBackward(spec), [dy, dx]);
      return dx;
    },
  ]);
}

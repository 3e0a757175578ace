import {
  type WindowBorder,
  type WindowPass,
  windowAdjoint,
  windowForward,
  windowPositions,
} from '../../../kernels/window-filter.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireFinite, requireImage } from './check.ts';

export interface WindowFilterOptions {
  /** One dimension of the window; the other is the same. */
  readonly taps: readonly number[];
  /** What a window sees outside the image. */
  readonly border: WindowBorder;
}

/**
 * Correlation of every plane with the separable window `taps ⊗ taps`:
 * y[i,j] = Σ_s Σ_t taps[s]·taps[t]·x[i+s-r, j+t-r].
 *
 * With border `valid` windows never leave the image and y is smaller by `taps.length - 1` a side;
 * `reflect` mirrors about the border pixel without repeating it; `zero` sees zeros. The gradient is
 * the adjoint of that.
 * @param x `[N,C,H,W]`
 * @throws ShapeError if the image is smaller than the window needs; UsageError if 32-bit floats cannot hold a tap
 */
export function windowFilter(x: Tensor, { taps, border }: WindowFilterOptions): Tensor {
  const { batch, channels, height, width } = requireImage('windowFilter', x);
  requireFinite('windowFilter', 'taps', ...taps);
  const size = taps.length;
  if (size < 1 || (border !== 'valid' && size % 2 === 0)) {
    throw new ShapeError(`windowFilter: a ${border} window needs an odd size, found ${size}`);
  }
  const least = { valid: size, reflect: (size + 1) / 2, zero: 1 }[border];
  if (Math.min(height, width) < least) {
    throw new ShapeError(
      `windowFilter: a ${border} window of ${size}x${size} needs at least ${least}x${least} pixels, found ${formatShape(x.shape)}`,
    );
  }
  const planes = batch * channels;
  const alongRows: WindowPass = { outer: planes * height, length: width, inner: 1, taps, border };
  const columns = windowPositions(alongRows);
  const down: WindowPass = { outer: planes, length: height, inner: columns, taps, border };
  const rows = windowPositions(down);
  const between = [batch, channels, height, columns];
  const middle = emptyTensor(x.gpu, between);
  const y = emptyTensor(x.gpu, [batch, channels, rows, columns]);
  runKernel(windowForward(alongRows), [x, middle]);
  runKernel(windowForward(down), [middle, y]);
  return attach(y, 'window_filter', [x], (dy) => [
    () => {
      const part = emptyTensor(x.gpu, between);
      const dx = emptyLike(x);
      runKernel(windowAdjoint(down), [dy, part]);
      runKernel(windowAdjoint(alongRows), [part, dx]);
      return dx;
    },
  ]);
}

import { copyBlocks, padBlocks } from '../../../kernels/copy-blocks.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';

/** `count` entries of x along `axis` from `start` on, without history. */
export function sliceAxis(x: Tensor, axis: number, start: number, count: number): Tensor {
  const inner = sizeOf(x.shape.slice(axis + 1));
  const kernel = copyBlocks(
    {
      outer: sizeOf(x.shape.slice(0, axis)),
      length: count * inner,
      sourceStride: x.shape[axis] * inner,
      sourceOffset: start * inner,
      targetStride: count * inner,
      targetOffset: 0,
    },
    x.gpu.profile,
  );
  const y = emptyLike(x, x.shape.with(axis, count));
  runKernel(kernel, [x, y]);
  return y;
}

function slice(op: string, x: Tensor, axis: number, start: number, count: number): Tensor {
  const extent = x.shape[axis] ?? 0;
  const whole = Number.isInteger(start) && Number.isInteger(count);
  if (!(whole && start >= 0 && count > 0 && start + count <= extent)) {
    throw new ShapeError(
      `${op} of ${count} from ${start} does not fit a tensor of shape ${formatShape(x.shape)}`,
    );
  }
  return attach(sliceAxis(x, axis, start, count), op, [x], (dy) => [
    () => {
      const inner = sizeOf(x.shape.slice(axis + 1));
      const dx = emptyLike(x);
      const kernel = padBlocks(
        {
          outer: sizeOf(x.shape.slice(0, axis)),
          stride: extent * inner,
          offset: start * inner,
          length: count * inner,
        },
        x.gpu.profile,
      );
      runKernel(kernel, [dy, dx]);
      return dx;
    },
  ]);
}

/** Samples `start … start+count-1` of a batch `[N,…]`. @throws ShapeError if they do not exist. */
export function sliceBatch(x: Tensor, start: number, count: number): Tensor {
  return slice('slice_batch', x, 0, start, count);
}

/** Channels `start … start+count-1` of `[N,C,…]`. @throws ShapeError if they do not exist. */
export function sliceChannels(x: Tensor, start: number, count: number): Tensor {
  return slice('slice_channels', x, 1, start, count);
}

/** Rows `start … start+count-1` of `[N,C,H,…]`. @throws ShapeError if they do not exist. */
export function sliceRows(x: Tensor, start: number, count: number): Tensor {
  return slice('slice_rows', x, 2, start, count);
}

/** Columns `start … start+count-1` of `[N,C,H,W]`. @throws ShapeError if they do not exist. */
export function sliceColumns(x: Tensor, start: number, count: number): Tensor {
  return slice('slice_columns', x, 3, start, count);
}

import { type Activation, NONE } from '../../../kernels/activation.ts';
import { copyBlocks, cutBlocks } from '../../../kernels/copy-blocks.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyTensor, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';
import { sliceAxis } from './slice.ts';

/**
 * f([a, b, …]): joins tensors along `axis` and applies an activation (default none) on the way; all other extents must agree.
 * @throws ShapeError if there are no tensors, the axis does not exist, or extents differ
 */
export function concat(
  tensors: readonly Tensor[],
  axis: number,
  activation: Activation = NONE,
): Tensor {
  const first = tensors[0]?.shape;
  if (!first || !(Number.isInteger(axis) && axis >= 0 && axis < first.length)) {
    throw new ShapeError(
      `concat along axis ${axis} of ${tensors.map((t) => formatShape(t.shape)).join(', ') || 'no tensors'}`,
    );
  }
  for (const { shape } of tensors) {
    const fits = shape.every((extent, i) => i === axis || extent === first[i]);
    if (shape.length !== first.length || !fits) {
      throw new ShapeError(
        `concat along axis ${axis} needs equal extents elsewhere, found ${tensors.map((t) => formatShape(t.shape)).join(', ')}`,
      );
    }
  }
  const starts: number[] = [];
  let extent = 0;
  for (const { shape } of tensors) {
    starts.push(extent);
    extent += shape[axis];
  }
  const outer = sizeOf(first.slice(0, axis));
  const inner = sizeOf(first.slice(axis + 1));
  const y = emptyTensor(tensors[0].gpu, first.with(axis, extent));
  tensors.forEach((x, index) => {
    const length = x.shape[axis] * inner;
    const kernel = copyBlocks({
      outer,
      length,
      sourceStride: length,
      sourceOffset: 0,
      targetStride: extent * inner,
      targetOffset: starts[index] * inner,
      activation,
    });
    runKernel(kernel, [x, y]);
  });
  const cut = (dy: Tensor, x: Tensor, start: number): Tensor => {
    if (activation.kind === 'none') return sliceAxis(dy, axis, start, x.shape[axis]);
    const dx = emptyTensor(x.gpu, x.shape);
    const kernel = cutBlocks({
      outer,
      length: x.shape[axis] * inner,
      stride: extent * inner,
      offset: start * inner,
      activation,
    });
    runKernel(kernel, [dy, y, dx]);
    return dx;
  };
  return attach(y, 'concat', tensors, (dy) =>
    tensors.map((x, index) => () => cut(dy, x, starts[index])),
  );
}

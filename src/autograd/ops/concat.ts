import { type Activation, NONE } from '../../../kernels/activation.ts';
import { copyBlocks, cutBlocks, joinBlocks, splitBlocks } from '../../../kernels/copy-blocks.ts';
import { ShapeError } from '../../errors.ts';
import type { GradientThunks } from '../graph.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';
import { requireSameElementType } from './check.ts';
import { sliceAxis } from './slice.ts';

/**
 * f([a, b, …]): joins tensors along `axis` and applies an activation (default none) on the way; all other
 * extents must agree. Two tensors take one dispatch, and one for both gradients; more take one each.
 * @throws ShapeError if there are no tensors, the axis does not exist, or extents or element types differ
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
  requireSameElementType('concat', tensors);
  const outer = sizeOf(first.slice(0, axis));
  const lengths = tensors.map(({ shape }) => sizeOf(shape.slice(axis)));
  const extent = tensors.reduce((sum, { shape }) => sum + shape[axis], 0);
  const y = emptyLike(tensors[0], first.with(axis, extent));
  const join = { axis, activation, outer, lengths };
  if (tensors.length === 2) return joinTwo(tensors, y, join);
  return joinMany(tensors, y, join);
}

interface Join {
  readonly axis: number;
  readonly activation: Activation;
  /** Blocks: the extents before the axis. */
  readonly outer: number;
  /** Elements of each tensor in a block. */
  readonly lengths: readonly number[];
}

function joinTwo(tensors: readonly Tensor[], y: Tensor, join: Join): Tensor {
  const { activation, outer, lengths } = join;
  const spec = { outer, first: lengths[0], second: lengths[1], activation };
  runKernel(joinBlocks(spec, y.gpu.profile), [...tensors, y]);
  return attach(y, 'concat', tensors, (dy, wanted) => {
    if (!wanted.every((asked) => asked)) return cuts(tensors, y, dy, join);
    let gradients: readonly Tensor[] | undefined;
    const split = (): readonly Tensor[] => {
      if (!gradients) {
        gradients = tensors.map((tensor) => emptyLike(tensor));
        runKernel(splitBlocks(spec, y.gpu.profile), [dy, y, ...gradients]);
      }
      return gradients;
    };
    return [() => split()[0], () => split()[1]];
  });
}

function joinMany(tensors: readonly Tensor[], y: Tensor, join: Join): Tensor {
  const { activation, outer, lengths } = join;
  const stride = lengths.reduce((sum, length) => sum + length);
  let targetOffset = 0;
  tensors.forEach((x, index) => {
    const length = lengths[index];
    const kernel = copyBlocks(
      {
        outer,
        length,
        sourceStride: length,
        sourceOffset: 0,
        targetStride: stride,
        targetOffset,
        activation,
      },
      x.gpu.profile,
    );
    runKernel(kernel, [x, y]);
    targetOffset += length;
  });
  return attach(y, 'concat', tensors, (dy) => cuts(tensors, y, dy, join));
}

/** Every input's gradient on its own. */
function cuts(tensors: readonly Tensor[], y: Tensor, dy: Tensor, join: Join): GradientThunks {
  const { axis, activation, outer, lengths } = join;
  const stride = lengths.reduce((sum, length) => sum + length);
  let start = 0;
  let offset = 0;
  return tensors.map((x, index) => {
    const [firstEntry, firstElement] = [start, offset];
    start += x.shape[axis];
    offset += lengths[index];
    return () => {
      if (activation.kind === 'none') return sliceAxis(dy, axis, firstEntry, x.shape[axis]);
      const dx = emptyLike(x);
      const spec = { outer, length: lengths[index], stride, offset: firstElement, activation };
      runKernel(cutBlocks(spec, y.gpu.profile), [dy, y, dx]);
      return dx;
    };
  });
}

import type { LossTerm } from '../../../kernels/loss-terms.ts';
import { MAX_PARTS, partMeans, partMeansGradient } from '../../../kernels/part-means.ts';
import { reduceRows, reduceRowsGradient } from '../../../kernels/reduce.ts';
import { ShapeError } from '../../errors.ts';
import { attach, attachAll } from '../tape.ts';
import {
  emptyLike,
  emptyTensor,
  formatShape,
  runKernel,
  runPlan,
  type Shape,
  type Tensor,
  zeros,
} from '../tensor.ts';
import { requireElements } from './check.ts';

const IDENTITY: LossTerm = { name: 'identity', second: 'none' };

function reduceOf(op: string, x: Tensor, shape: Shape, rows: number, factor: number): Tensor {
  requireElements(op, x);
  const spec = { term: IDENTITY, rows, length: x.size / rows, factor };
  const y = emptyTensor(x.gpu, shape);
  runPlan(reduceRows(spec, x.gpu.profile), [x], [y]);
  return attach(y, op, [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(reduceRowsGradient(spec, 'first', false, x.gpu.profile), [dy, dx]);
      return dx;
    },
  ]);
}

/** Σx, a scalar `[]`; added up in a fixed order. @throws ShapeError if x is empty. */
export function sum(x: Tensor): Tensor {
  return reduceOf('sum', x, [], 1, 1);
}

/** Mean of all elements, a scalar `[]`. @throws ShapeError if x is empty. */
export function mean(x: Tensor): Tensor {
  return reduceOf('mean', x, [], 1, 1 / x.size);
}

/** Mean over all axes but the first: `[N,…]` to `[N]`. @throws ShapeError if x is empty or a scalar. */
export function meanPerSample(x: Tensor): Tensor {
  requireElements('meanPerSample', x);
  const batch = x.shape[0] ?? 1;
  return reduceOf('mean_per_sample', x, [batch], batch, batch / x.size);
}

/**
 * The means of `parts` equal parts of a batch `[N,…]`, samples in order: a scalar `[]` each.
 * @throws ShapeError if N is no multiple of `parts`, or there are more than six
 */
export function meanOfParts(x: Tensor, parts: number): readonly Tensor[] {
  requireElements('meanOfParts', x);
  if (!Number.isInteger(parts) || parts < 1 || parts > MAX_PARTS || (x.shape[0] ?? 1) % parts) {
    throw new ShapeError(
      `meanOfParts: ${formatShape(x.shape)} does not fall into ${parts} parts; from 1 to ${MAX_PARTS} are possible`,
    );
  }
  const length = x.size / parts;
  const means = Array.from({ length: parts }, () => emptyTensor(x.gpu, []));
  runKernel(partMeans(length, parts, x.gpu.profile), [x, ...means]);
  return attachAll(means, 'mean_of_parts', [x], (cotangents) => [
    () => {
      const dx = emptyLike(x);
      const given = cotangents.map((dy) => dy ?? zeros(x.gpu, []));
      runKernel(partMeansGradient(length, parts), [...given, dx]);
      return dx;
    },
  ]);
}

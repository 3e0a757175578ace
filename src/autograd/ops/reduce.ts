import type { LossTerm } from '../../../kernels/loss-terms.ts';
import { reduceRows, reduceRowsGradient } from '../../../kernels/reduce.ts';
import { attach } from '../tape.ts';
import { emptyTensor, runKernel, runPlan, type Shape, type Tensor } from '../tensor.ts';
import { requireElements } from './check.ts';

const IDENTITY: LossTerm = { name: 'identity', second: 'none' };

function reduceOf(op: string, x: Tensor, shape: Shape, rows: number, factor: number): Tensor {
  requireElements(op, x);
  const spec = { term: IDENTITY, rows, length: x.size / rows, factor };
  const y = emptyTensor(x.gpu, shape);
  runPlan(reduceRows(spec, x.gpu.profile), [x], [y]);
  return attach(y, op, [x], (dy) => [
    () => {
      const dx = emptyTensor(x.gpu, x.shape);
      runKernel(reduceRowsGradient(spec, 'first'), [dy, dx]);
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

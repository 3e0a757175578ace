import type { LossTerm } from '../../../kernels/loss-terms.ts';
import { reduceRows, reduceRowsGradient } from '../../../kernels/reduce.ts';
import { ShapeError } from '../../errors.ts';
import type { GradientSlot } from '../graph.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, runPlan, type Tensor } from '../tensor.ts';
import { requireElements, requireFinite, requireSameShape } from './check.ts';

/**
 * The mean of a term over all elements, in one pass over the images.
 * @param inputs x, and the second operand if it is a tensor
 * @param differentiable how many of `inputs` have gradients
 */
function meanOf(op: string, term: LossTerm, inputs: readonly Tensor[], differentiable: 1 | 2) {
  const [x] = inputs;
  requireElements(op, x);
  const spec = { term, rows: 1, length: x.size, factor: 1 / x.size };
  const y = emptyTensor(x.gpu, []);
  runPlan(reduceRows(spec, x.gpu.profile), inputs, [y]);
  const gradient = (dy: Tensor, side: 'first' | 'second', target?: GradientSlot): Tensor => {
    const result = target?.tensor ?? emptyLike(x);
    runKernel(reduceRowsGradient(spec, side, target?.filled, x.gpu.profile), [
      dy,
      ...inputs,
      result,
    ]);
    return result;
  };
  return attach(y, op, inputs.slice(0, differentiable), (dy) => [
    (target) => gradient(dy, 'first', target),
    (target) => gradient(dy, 'second', target),
  ]);
}

/** mean |a - b|, a scalar `[]`. Where a = b the gradient is 0. @throws ShapeError */
export function l1Loss(a: Tensor, b: Tensor): Tensor {
  requireSameShape('l1Loss', a, b);
  return meanOf('l1_loss', { name: 'absolute_difference', second: 'array' }, [a, b], 2);
}

/** mean (a - b)², a scalar `[]`. @throws ShapeError */
export function mseLoss(a: Tensor, b: Tensor): Tensor {
  requireSameShape('mseLoss', a, b);
  return meanOf('mse_loss', { name: 'squared_difference', second: 'array' }, [a, b], 2);
}

/**
 * mean (x - target)², the least-squares GAN loss against one number for all elements, a scalar `[]`.
 * @param target a constant, or a scalar on the device (without gradient) when it changes by step
 * @throws ShapeError if the target has more than one element; UsageError if 32-bit floats cannot hold it
 */
export function mseToScalar(x: Tensor, target: Tensor | number): Tensor {
  const name = 'squared_difference';
  if (typeof target === 'number') {
    requireFinite('mseToScalar', 'target', target);
    return meanOf('mse_to_scalar', { name, second: { constant: target } }, [x], 1);
  }
  if (target.size !== 1) {
    throw new ShapeError(
      `mseToScalar needs a target of one element, found ${formatShape(target.shape)}`,
    );
  }
  return meanOf('mse_to_scalar', { name, second: 'element' }, [x, target], 1);
}

/**
 * Mean binary cross-entropy -t·log σ(x) - (1-t)·log(1-σ(x)) of logits, a scalar `[]`, in the form
 * max(x,0) - x·t + log(1 + e^-|x|) that neither overflows nor loses small values.
 * @param target t in [0,1]: one number for all elements, or a tensor of x's shape (without gradient)
 * @throws ShapeError if shapes differ; UsageError if 32-bit floats cannot hold the target
 */
export function bceWithLogits(x: Tensor, target: Tensor | number): Tensor {
  const name = 'logistic';
  if (typeof target === 'number') {
    requireFinite('bceWithLogits', 'target', target);
    return meanOf('bce_with_logits', { name, second: { constant: target } }, [x], 1);
  }
  requireSameShape('bceWithLogits', x, target);
  return meanOf('bce_with_logits', { name, second: 'array' }, [x, target], 1);
}

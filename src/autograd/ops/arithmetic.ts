import {
  type BinaryName,
  elementwiseBinary,
  elementwiseScale,
} from '../../../kernels/elementwise.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, runKernel, type Tensor } from '../tensor.ts';
import { requireFactor, requireSameElementType, requireSameShape } from './check.ts';

function binary(name: BinaryName, a: Tensor, b: Tensor): Tensor {
  requireSameShape(name, a, b);
  requireSameElementType(name, [a, b]);
  const y = emptyLike(a);
  runKernel(elementwiseBinary(name, a.size, a.gpu.profile), [a, b, y]);
  return y;
}

function scaled(x: Tensor, factor: number, elementType = x.elementType): Tensor {
  const y = emptyTensor(x.gpu, x.shape, elementType);
  runKernel(elementwiseScale(factor, x.size, x.gpu.profile), [x, y]);
  return y;
}

/** y = a + b, of one shape. @throws ShapeError */
export function add(a: Tensor, b: Tensor): Tensor {
  return attach(binary('add', a, b), 'add', [a, b], (dy) => [() => dy, () => dy]);
}

/** y = a - b, of one shape. @throws ShapeError */
export function subtract(a: Tensor, b: Tensor): Tensor {
  return attach(binary('subtract', a, b), 'subtract', [a, b], (dy) => [
    () => dy,
    () => scaled(dy, -1),
  ]);
}

/** y = a·b element by element, of one shape. @throws ShapeError */
export function multiply(a: Tensor, b: Tensor): Tensor {
  return attach(binary('multiply', a, b), 'multiply', [a, b], (dy) => [
    () => binary('multiply', dy, b),
    () => binary('multiply', dy, a),
  ]);
}

/**
 * y = factor·x. The factor is compiled into the kernel: it should not change from step to step.
 * @param elementType how y is stored; default as x is
 * @throws UsageError if 32-bit floats cannot hold the factor
 */
export function scale(x: Tensor, factor: number, elementType = x.elementType): Tensor {
  requireFactor('scale', factor);
  return attach(scaled(x, factor, elementType), 'scale', [x], (dy) => [
    () => scaled(dy, factor, x.elementType),
  ]);
}

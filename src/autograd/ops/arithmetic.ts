import {
  type BinaryName,
  elementwiseBinary,
  elementwiseScale,
} from '../../../kernels/elementwise.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';
import { requireSameElementType, requireSameShape } from './check.ts';

function binary(name: BinaryName, a: Tensor, b: Tensor): Tensor {
  requireSameShape(name, a, b);
  requireSameElementType(name, [a, b]);
  const y = emptyLike(a);
  runKernel(elementwiseBinary(name, a.size, a.gpu.profile), [a, b, y]);
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
    () => {
      const db = emptyLike(dy);
      runKernel(elementwiseScale(-1, dy.size, dy.gpu.profile), [dy, db]);
      return db;
    },
  ]);
}

/** y = a·b element by element, of one shape. @throws ShapeError */
export function multiply(a: Tensor, b: Tensor): Tensor {
  return attach(binary('multiply', a, b), 'multiply', [a, b], (dy) => [
    () => binary('multiply', dy, b),
    () => binary('multiply', dy, a),
  ]);
}

import { elementwiseScale } from '../../../kernels/elementwise.ts';
import { attach } from '../tape.ts';
import { emptyTensor, runKernel, type Tensor } from '../tensor.ts';
import { requireFinite } from './check.ts';

function scaled(x: Tensor, factor: number, elementType = x.elementType): Tensor {
  const y = emptyTensor(x.gpu, x.shape, elementType);
  runKernel(elementwiseScale(factor, x.size, x.gpu.profile), [x, y]);
  return y;
}

/**
 * y = factor·x. The factor is compiled into the kernel: it should not change from step to step.
 * @param elementType how y is stored; default as x is
 * @throws UsageError if 32-bit floats cannot hold the factor
 */
export function scale(x: Tensor, factor: number, elementType = x.elementType): Tensor {
  requireFinite('scale', 'factor', factor);
  return attach(scaled(x, factor, elementType), 'scale', [x], (dy) => [
    () => scaled(dy, factor, x.elementType),
  ]);
}

import { geluBackward, geluForward } from '../../../kernels/gelu.ts';
import { attach } from '../tape.ts';
import { emptyTensor, runKernel, type Tensor } from '../tensor.ts';

/** x·Φ(x) with the normal distribution function Φ, as `torch.nn.functional.gelu` has it by default. */
export function gelu(x: Tensor): Tensor {
  const y = emptyTensor(x.gpu, x.shape);
  runKernel(geluForward(x.size), [x, y]);
  return attach(y, 'gelu', [x], (dy) => [
    () => {
      const dx = emptyTensor(x.gpu, x.shape);
      runKernel(geluBackward(x.size), [dy, x, dx]);
      return dx;
    },
  ]);
}

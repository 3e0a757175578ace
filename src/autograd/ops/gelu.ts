import { geluBackward, geluForward } from '../../../kernels/gelu.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';

/** x·Φ(x) with the normal distribution function Φ, as `torch.nn.functional.gelu` has it by default. */
export function gelu(x: Tensor): Tensor {
  const y = emptyLike(x);
  runKernel(geluForward(x.size, x.gpu.profile), [x, y]);
  return attach(y, 'gelu', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(geluBackward(x.size, x.gpu.profile), [dy, x, dx]);
      return dx;
    },
  ]);
}

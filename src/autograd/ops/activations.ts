import type { Activation } from '../../../kernels/activation.ts';
import {
  elementwiseActivation,
  elementwiseActivationGradient,
} from '../../../kernels/elementwise.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';
import { requireActivation } from './check.ts';

/** y = f(x). Keeps only the output for the backward pass. */
function activate(x: Tensor, activation: Activation): Tensor {
  const y = emptyLike(x);
  runKernel(elementwiseActivation(activation, x.size, x.gpu.profile), [x, y]);
  return attach(y, activation.kind, [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(elementwiseActivationGradient(activation, x.size, x.gpu.profile), [dy, y, dx]);
      return dx;
    },
  ]);
}

/** max(x, 0); the gradient at 0 is 0. NaN stays NaN. */
export function relu(x: Tensor): Tensor {
  return activate(x, { kind: 'relu' });
}

/**
 * x if x > 0, else slope·x; at 0 the gradient is `slope`, as in PyTorch.
 * @throws UsageError unless `slope` is positive (then the output's sign tells the input's) and 32-bit floats can hold it
 *   and its inverse.
 */
export function leakyRelu(x: Tensor, slope: number): Tensor {
  const activation = { kind: 'leaky_relu', slope } as const;
  requireActivation('leakyRelu', activation);
  return activate(x, activation);
}

/** Hyperbolic tangent, finite for every finite x. */
export function tanh(x: Tensor): Tensor {
  return activate(x, { kind: 'tanh' });
}

/** 1/(1+e^-x), finite for every finite x. */
export function sigmoid(x: Tensor): Tensor {
  return activate(x, { kind: 'sigmoid' });
}

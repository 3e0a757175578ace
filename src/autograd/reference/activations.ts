import type { Activation } from '../../../kernels/activation.ts';

/** f(x) in double precision. */
export function activationValue(activation: Activation, x: number): number {
  switch (activation.kind) {
    case 'none':
      return x;
    case 'relu':
      return Math.max(x, 0);
    case 'leaky_relu':
      return x > 0 ? x : activation.slope * x;
    case 'tanh':
      return Math.tanh(x);
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x));
  }
}

/** f'(x) in double precision; at 0 the rectifiers have the slope of the negative side. */
export function activationSlope(activation: Activation, x: number): number {
  switch (activation.kind) {
    case 'none':
      return 1;
    case 'relu':
      return x > 0 ? 1 : 0;
    case 'leaky_relu':
      return x > 0 ? 1 : activation.slope;
    case 'tanh':
      return 1 / Math.cosh(x) ** 2;
    case 'sigmoid': {
      const y = 1 / (1 + Math.exp(-x));
      return y * (1 - y);
    }
  }
}

import type { LossTermName } from '../../../kernels/loss-terms.ts';

/** The term and its derivatives with respect to a and b, in double precision. */
export function lossTerm(
  name: LossTermName,
  a: number,
  b: number,
): { value: number; da: number; db: number } {
  switch (name) {
    case 'identity':
      return { value: a, da: 1, db: 0 };
    case 'absolute_difference':
      return { value: Math.abs(a - b), da: Math.sign(a - b), db: Math.sign(b - a) };
    case 'squared_difference':
      return { value: (a - b) ** 2, da: 2 * (a - b), db: 2 * (b - a) };
    case 'logistic': {
      const likelihood = 1 / (1 + Math.exp(-a));
      const value = a > 0 ? a - a * b + Math.log1p(Math.exp(-a)) : Math.log1p(Math.exp(a)) - a * b;
      return { value, da: likelihood - b, db: -a };
    }
  }
}

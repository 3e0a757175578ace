import { literal } from './linear.ts';

/*
 * What a reduction adds up: a function of one element of x (`a`), and for some of a second operand
 * (`b`), with its derivatives. Expressions are on vec4f.
 *
 *   identity              a
 *   absolute_difference   |a - b|                       derivative at a = b: 0
 *   squared_difference    (a - b)²
 *   logistic              max(a,0) - a·b + log(1 + e^-|a|), binary cross-entropy of the logit a and
 *                         the target b: the stable form of -b·log σ(a) - (1-b)·log(1-σ(a))
 */

export type LossTermName = 'identity' | 'absolute_difference' | 'squared_difference' | 'logistic';

/** Where `b` comes from: nowhere, a constant, one element for all, or an array like x. */
export type SecondOperand = 'none' | 'element' | 'array' | { readonly constant: number };

export interface LossTerm {
  readonly name: LossTermName;
  readonly second: SecondOperand;
}

/** Part of a kernel's key. */
export function termKey({ name, second }: LossTerm): string {
  return `${name}.${typeof second === 'string' ? second : Math.fround(second.constant)}`;
}

/** Whether `b` is bound as a storage. */
export function hasSecondBinding({ second }: LossTerm): boolean {
  return second === 'element' || second === 'array';
}

/** WGSL expression of `b` for the vec4 that `array` (an expression) reads; `other` is the binding. */
export function secondOperand({ second }: LossTerm, array: string): string {
  if (second === 'array') return array;
  if (second === 'element') return 'vec4f(other[0].x)';
  return `vec4f(${literal(second === 'none' ? 0 : second.constant)})`;
}

/** WGSL expression of the term in `a` and `b`. */
export function termValue({ name }: LossTerm): string {
  switch (name) {
    case 'identity':
      return 'a';
    case 'absolute_difference':
      return 'abs(a - b)';
    case 'squared_difference':
      return '((a - b) * (a - b))';
    case 'logistic':
      // a - min(a,0) is max(a,0), but NaN stays NaN.
      return '(a - min(a, vec4f(0.0)) - a * b + log(1.0 + exp(-abs(a))))';
  }
}

/** WGSL expression of the term's derivative with respect to `a`, in `a` and `b`. */
export function termSlope({ name }: LossTerm): string {
  switch (name) {
    case 'identity':
      return 'vec4f(1.0)';
    case 'absolute_difference':
      return 'sign(a - b)';
    case 'squared_difference':
      return '(2.0 * (a - b))';
    case 'logistic':
      return '(1.0 / (1.0 + exp(-clamp(a, vec4f(-87.0), vec4f(87.0)))) - b)';
  }
}

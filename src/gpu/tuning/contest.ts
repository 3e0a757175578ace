import type { ElementType } from '../../../kernels/element-types.ts';
import type { Plan } from '../../../kernels/kernel.ts';

/** Elements of one input, and the largest size of its values. */
export interface ContestInput {
  readonly length: number;
  readonly scale: number;
  /** Default f32. */
  readonly elementType?: ElementType;
  /** Never changes while a program runs: what is made of it alone is made once. */
  readonly isConstant?: boolean;
}

/** Variants of a kernel family that compute the same, to be measured against each other. */
export interface Contest {
  readonly shapeClass: string;
  /** The exact sizes, of which a class has many. */
  readonly sizes: string;
  /** The default first. */
  readonly variants: readonly { readonly name: string; plan(): Plan }[];
  readonly inputs: readonly ContestInput[];
  /** Elements of the one output. */
  readonly output: number;
  /** How they are stored; default f32. */
  readonly outputType?: ElementType;
  /** Results a and b agree if |a-b| ≤ absolute·min(1, max|b|) + relative·|b|. */
  readonly tolerance: { readonly absolute: number; readonly relative: number };
  /** Floating-point operations of one run, and how often a step of the program has it. */
  readonly operations: number;
  readonly uses: number;
}

/** Where two results differ by more than is allowed, in words; undefined if nowhere. */
export function differenceOf(
  found: Float32Array,
  expected: Float32Array,
  { absolute, relative }: Contest['tolerance'],
): string | undefined {
  let largest = 0;
  for (const value of expected) largest = Math.max(largest, Math.abs(value));
  const least = absolute * Math.min(1, largest);
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(found[i] - expected[i]);
    // A NaN is no small distance.
    if (!(distance <= least + relative * Math.abs(expected[i]))) {
      return `its result ${i} is ${found[i]}, the default's ${expected[i]}`;
    }
  }
  return undefined;
}

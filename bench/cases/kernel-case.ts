import type { AdapterProfile, Kernel, Plan } from '../../kernels/kernel.ts';
import type { Work } from '../measure/roof.ts';

/** Something to time: one plan of kernels at one shape, with a check of what it computes. */
export interface KernelCase extends Work {
  /** What filters look at, e.g. `conv forward unet.down2 b4`. */
  readonly name: string;
  /** Cases whose rates are summarised together; if absent, those whose names begin with the same two words. */
  readonly family?: string;
  /** Shapes for people. */
  readonly shape: string;
  /** Bytes that all passes of the kernel move, where one needs again what another has read or written. */
  readonly passBytes?: number;
  /** Makes the data; called only if the case runs. */
  prepare(profile: AdapterProfile): PreparedCase;
}

export interface PreparedCase {
  readonly plan: Plan;
  /** Run once before, untimed: makes outputs that the plan reads. */
  readonly setUp?: Plan;
  readonly inputs: readonly (Float32Array | Uint32Array)[];
  /** Inputs that never change, so that what is made of them alone is made before timing; by index. */
  readonly constant?: readonly number[];
  /** Elements of each output, filled with NaN first; or its first content, where the plan updates it. */
  readonly outputs: readonly (number | Float32Array)[];
  /** Outputs that the plan also knows as further inputs, behind the others. */
  readonly shared?: readonly number[];
  /** Compares what the device computed with the f64 reference, on a sample where that is slow. */
  check(outputs: readonly Float32Array[]): Comparison;
}

export interface Comparison {
  /** max|device - reference| over the root mean square of the reference. */
  readonly error: number;
  readonly tolerance: number;
  /** Elements compared. */
  readonly compared: number;
}

/** A plan of a single kernel: its bindings are the inputs and then the outputs, unless told otherwise. */
export function singleKernel(kernel: Kernel, inputs: number): Plan {
  const bound = kernel.constants ? kernel.bindings.length - 1 : kernel.bindings.length;
  const operands = Array.from({ length: bound }, (_, i) =>
    i < inputs ? { input: i } : { output: i - inputs },
  );
  return { temporaries: [], steps: [{ kernel, operands }] };
}

/** Collects differences between device and reference. */
export class Comparator {
  private largest = 0;
  private squares = 0;
  private compared = 0;

  /** Compares `found[start + i]` with `expected[i]`. A NaN that is not expected counts as infinite. */
  add(found: ArrayLike<number>, start: number, expected: ArrayLike<number>): void {
    for (let i = 0; i < expected.length; i++) {
      const difference = Math.abs(found[start + i] - expected[i]);
      if (!(difference <= this.largest)) {
        this.largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      }
      this.squares += expected[i] ** 2;
    }
    this.compared += expected.length;
  }

  result(tolerance: number): Comparison {
    const scale = Math.sqrt(this.squares / this.compared);
    const relative = this.largest === 0 ? 0 : this.largest / scale;
    // Where the reference itself is infinite or empty nothing is agreed on.
    const error = Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative;
    return { error, tolerance, compared: this.compared };
  }
}

/** Relative error allowed of a sum of `terms` products of numbers of similar size, in f32. */
export function sumTolerance(terms: number): number {
  return 1e-5 + 5e-7 * Math.sqrt(terms);
}

/** Reproducible noise of unit variance, uniform in (-√3, √3). */
export function noise(length: number, seed: number): Float32Array {
  const data = new Float32Array(length);
  let state = (seed * 2654435761 + 12345) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    data[i] = (state >>> 0) * (Math.sqrt(12) / 2 ** 32) - Math.sqrt(3);
  }
  return data;
}

/** The numbers 0 to count-1 thinned out to `most`: first, last, and evenly between. */
export function spreadOut(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  if (most === 1) return [count - 1];
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}

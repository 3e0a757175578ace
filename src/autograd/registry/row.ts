import type { RandomStream } from '../philox.ts';
import { type Shape, sizeOf, type Tensor } from '../tensor.ts';

/** A dense array in double precision, for references. */
export interface HostArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export function hostArray(shape: Shape, data?: ArrayLike<number>): HostArray {
  return { shape, data: data ? Float64Array.from(data) : new Float64Array(sizeOf(shape)) };
}

/** Normal deviates rounded to f32, so that device and reference see the same numbers. */
export function randomArray(random: RandomStream, shape: Shape, scale = 1): HostArray {
  const array = hostArray(shape);
  for (let i = 0; i < array.data.length; i++) array.data[i] = Math.fround(random.normal() * scale);
  return array;
}

/**
 * `|a-b| ≤ atol·min(1, max|reference|) + rtol·|reference|`, both multiplied by √(reduction length): an
 * absolute bound made for values around 1 would let a mean's gradients, of 1e-6 each, pass as anything.
 */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

export type Cancelling = 'output' | 'gradients' | 'both';

/** One set of arguments to try an op with. */
export interface Sample<Attributes> {
  readonly label: string;
  readonly inputs: readonly HostArray[];
  readonly attributes: Attributes;
  /** Inputs that have no gradient (targets, noise, grids …); default none. */
  readonly constant?: readonly number[];
  /** Terms added up per output element (default 1), and per element of the longest gradient. */
  readonly reduction?: { readonly forward: number; readonly backward: number };
  /** Too large for finite differences; only device against reference. */
  readonly skipGradcheck?: boolean;
  /** What is a small difference of terms around 1, so that its absolute bound is not scaled down. */
  readonly cancels?: Cancelling | undefined;
}

/**
 * Everything about one op in one place: tests, tolerances and `docs/ops.md` are made from it.
 * The f64 reference is checked by finite differences; the device is checked against the reference.
 */
export interface OpRow<Attributes = never> {
  readonly name: string;
  /** The maths in one line. */
  readonly formula: string;
  readonly samples: (random: RandomStream) => readonly Sample<Attributes>[];
  readonly run: (inputs: readonly Tensor[], attributes: Attributes) => Tensor;
  readonly forward: (inputs: readonly HostArray[], attributes: Attributes) => HostArray;
  /** One gradient per input; `undefined` where the op has none. */
  readonly backward: (
    inputs: readonly HostArray[],
    attributes: Attributes,
    cotangent: HostArray,
  ) => readonly (HostArray | undefined)[];
  readonly tolerance: { readonly forward: Tolerance; readonly backward: Tolerance };
  /**
   * Inputs that networks store as f16 under `--precision f16`; the output and these inputs' gradients then
   * are f16 too. Default none: the op is one of losses, statistics or parameters.
   */
  readonly halves?: readonly number[];
}

/** A row whose attribute type is hidden, so that rows can stand in one list. */
export interface AnyOpRow {
  readonly name: string;
  readonly formula: string;
  readonly tolerance: OpRow['tolerance'];
  readonly halves: readonly number[];
  readonly cases: (random: RandomStream) => readonly OpCase[];
}

/** One sample bound to its op. */
export interface OpCase {
  readonly label: string;
  readonly inputs: readonly HostArray[];
  readonly constant: readonly number[];
  readonly reduction: { readonly forward: number; readonly backward: number };
  readonly skipGradcheck: boolean;
  readonly cancels: Cancelling | undefined;
  run(inputs: readonly Tensor[]): Tensor;
  forward(inputs: readonly HostArray[]): HostArray;
  backward(inputs: readonly HostArray[], cotangent: HostArray): readonly (HostArray | undefined)[];
}

/** Hides a row's attribute type. */
export function opRow<Attributes>(row: OpRow<Attributes>): AnyOpRow {
  return {
    name: row.name,
    formula: row.formula,
    tolerance: row.tolerance,
    halves: row.halves ?? [],
    cases: (random) =>
      row.samples(random).map((sample) => ({
        label: sample.label,
        inputs: sample.inputs,
        constant: sample.constant ?? [],
        reduction: sample.reduction ?? { forward: 1, backward: 1 },
        skipGradcheck: sample.skipGradcheck ?? false,
        cancels: sample.cancels,
        run: (inputs) => row.run(inputs, sample.attributes),
        forward: (inputs) => row.forward(inputs, sample.attributes),
        backward: (inputs, cotangent) => row.backward(inputs, sample.attributes, cotangent),
      })),
  };
}

import type { ElementType } from '../../kernels/element-types.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { halfBitsToFloat32 } from '../gpu/half-float.ts';
import { float32ToHalfBits } from '../gpu/half-rounding.ts';
import { backward } from './backward.ts';
import type { RandomStream } from './philox.ts';
import {
  type Cancelling,
  type HostArray,
  hostArray,
  type OpCase,
  type OpRow,
  randomArray,
  type Tolerance,
} from './registry/row.ts';
import { noGrad } from './tape.ts';
import { formatShape, sameShape, type Tensor } from './tensor.ts';
import { typedTensorFrom } from './typed-tensor.ts';

/** PyTorch's own numbers for double precision (`torch.autograd.gradcheck`). */
const GRADCHECK = { eps: 1e-6, atol: 1e-5, rtol: 1e-3 };

/** Elements of an input probed by finite differences; all of them up to this many. */
const PROBES = 24;

/**
 * What storing as f16 adds: half a unit in the last place of the output, below 2^-14 half of the smallest
 * number; for gradients more, as the output that they are told from was rounded before (dy·(1 - y²)), the
 * absolute part in shares of the largest.
 */
const HALF_ROUNDING: OpRow['tolerance'] = {
  forward: { atol: 2 ** -25, rtol: 2 ** -11 },
  backward: { atol: 2 ** -9, rtol: 2 ** -10 },
};

const EXACT: Tolerance = { atol: 0, rtol: 0 };

/** A place where two arrays differ by more than allowed. */
export interface Mismatch {
  readonly where: string;
  readonly index: number;
  readonly found: number;
  readonly expected: number;
  readonly bound: number;
}

/** First element with `|found-expected| > (atol + rtol·|expected|)·scale`; non-finite counts too. */
export function compareArrays(
  where: string,
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  scale = 1,
): Mismatch | undefined {
  if (found.length !== expected.length) {
    return {
      where: `${where} length`,
      index: -1,
      found: found.length,
      expected: expected.length,
      bound: 0,
    };
  }
  for (let index = 0; index < expected.length; index++) {
    const bound = (tolerance.atol + tolerance.rtol * Math.abs(expected[index])) * scale;
    const difference = Math.abs(found[index] - expected[index]);
    if (!(difference <= bound)) {
      return { where, index, found: found[index], expected: expected[index], bound };
    }
  }
  return undefined;
}

/** The tolerance for an array: its absolute part in shares of the largest element, if that is below 1. */
export function toleranceFor({ atol, rtol }: Tolerance, expected: ArrayLike<number>): Tolerance {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  return { atol: atol * Math.min(1, largest), rtol };
}

export function formatMismatch(mismatch: Mismatch): string {
  const { where, index, found, expected, bound } = mismatch;
  return `${where}[${index}]: found ${found}, expected ${expected} ± ${bound}`;
}

/**
 * Hop 1: the f64 reference's backward against central differences of its forward, under a random
 * cotangent, at up to 24 elements of every input.
 */
export function gradcheckReference(op: OpCase, random: RandomStream): Mismatch | undefined {
  const output = op.forward(op.inputs);
  const cotangent = randomArray(random, output.shape);
  const gradients = op.backward(op.inputs, cotangent);
  const objective = (inputs: readonly HostArray[]): number => {
    const { data } = op.forward(inputs);
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += data[i] * cotangent.data[i];
    return sum;
  };
  for (let which = 0; which < op.inputs.length; which++) {
    if (op.constant.includes(which)) continue;
    const gradient = gradients[which];
    const input = op.inputs[which];
    if (!gradient)
      return {
        where: `reference gradient ${which} missing`,
        index: -1,
        found: 0,
        expected: 1,
        bound: 0,
      };
    if (!sameShape(gradient.shape, input.shape)) {
      const where = `reference gradient ${which} has shape ${formatShape(gradient.shape)}, its input ${formatShape(input.shape)}`;
      return { where, index: -1, found: 0, expected: 1, bound: 0 };
    }
    const count = input.data.length;
    for (let probe = 0; probe < Math.min(count, PROBES); probe++) {
      const index = count <= PROBES ? probe : random.integer(count);
      const shifted = (delta: number): number => {
        const data = input.data.slice();
        data[index] += delta;
        return objective(
          op.inputs.map((other, i) => (i === which ? hostArray(other.shape, data) : other)),
        );
      };
      const expected = (shifted(GRADCHECK.eps) - shifted(-GRADCHECK.eps)) / (2 * GRADCHECK.eps);
      const mismatch = compareArrays(
        `reference gradient ${which}`,
        [gradient.data[index]],
        [expected],
        GRADCHECK,
      );
      if (mismatch) return { ...mismatch, index };
    }
  }
  return undefined;
}

/**
 * Hop 2: device forward and backward against the f64 reference, under a random cotangent; the same
 * bits without recording. What an op does when it or its inputs occur more than once: `checkReuse`.
 * @param halves inputs that are stored as f16: the reference gets them rounded, and the tolerance grows
 *   by the rounding of what is made
 */
export async function checkDevice(
  gpu: Gpu,
  op: OpCase,
  tolerance: { forward: Tolerance; backward: Tolerance },
  random: RandomStream,
  halves: readonly number[] = [],
): Promise<Mismatch | undefined> {
  const typeOf = (index: number): ElementType => (halves.includes(index) ? 'f16' : 'f32');
  const values = op.inputs.map((array, index) => roundTo(typeOf(index), array));
  const expected = op.forward(values);
  const drawn = randomArray(random, expected.shape);
  const made: Tensor[] = [];
  const upload = (array: HostArray, type: ElementType): Tensor => {
    const tensor = typedTensorFrom(gpu, Float32Array.from(array.data), array.shape, type).keep();
    made.push(tensor);
    return tensor;
  };
  const inputs = values.map((array, index) => upload(array, typeOf(index)));
  inputs.forEach((input, index) => {
    input.requiresGrad = !op.constant.includes(index);
  });
  const wrt = inputs.filter((input) => input.requiresGrad);
  const { output, cotangent, found } = gpu.scope(() => {
    const y = op.run(inputs);
    const dy = roundTo(y.elementType, drawn);
    const seed = upload(dy, y.elementType);
    return {
      output: y,
      cotangent: dy,
      found: wrt.length ? backward(y, wrt, seed) : new Map<Tensor, Tensor>(),
    };
  });
  const gradients = op.backward(values, cotangent);
  try {
    if (!sameShape(output.shape, expected.shape)) {
      const where = `output shape ${formatShape(output.shape)}, expected ${formatShape(expected.shape)}`;
      return { where, index: -1, found: 0, expected: 1, bound: 0 };
    }
    const cancels = (what: Cancelling): boolean => op.cancels === what || op.cancels === 'both';
    const { atol, rtol } = cancels('output')
      ? tolerance.forward
      : toleranceFor(tolerance.forward, expected.data);
    const scale = Math.sqrt(op.reduction.forward);
    const rounding = output.elementType === 'f16' ? HALF_ROUNDING.forward : EXACT;
    const mismatch = compareArrays('output', await output.read(), expected.data, {
      atol: atol * scale + rounding.atol,
      rtol: rtol * scale + rounding.rtol,
    });
    if (mismatch) return mismatch;
    for (const [index, input] of inputs.entries()) {
      if (!input.requiresGrad) continue;
      const gradient = found.get(input);
      const reference = gradients[index];
      if (!gradient || !reference) {
        return { where: `gradient ${index} missing`, index: -1, found: 0, expected: 1, bound: 0 };
      }
      const wrong = compareArrays(
        `gradient ${index}`,
        await gradient.read(),
        reference.data,
        gradientTolerance(tolerance.backward, reference.data, {
          cancels: cancels('gradients'),
          isHalf: halves.length > 0,
        }),
        Math.sqrt(op.reduction.backward),
      );
      if (wrong) return wrong;
    }
    return await checkNoGrad(gpu, op, inputs, await output.read());
  } finally {
    output.dispose();
    // Only now: gradients may share memory with each other or with the cotangent (add's do).
    for (const gradient of found.values()) gradient.dispose();
    for (const tensor of made) tensor.dispose();
  }
}

function gradientTolerance(
  given: Tolerance,
  reference: Float64Array,
  { cancels, isHalf }: { readonly cancels: boolean; readonly isHalf: boolean },
): Tolerance {
  const { atol, rtol } = cancels ? given : toleranceFor(given, reference);
  if (!isHalf) return { atol, rtol };
  const largest = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const { backward } = HALF_ROUNDING;
  return {
    atol: atol + backward.atol * (cancels ? Math.max(1, largest) : largest),
    rtol: rtol + backward.rtol,
  };
}

/** The values that a tensor of this type holds. */
function roundTo(type: ElementType, { shape, data }: HostArray): HostArray {
  if (type === 'f32') return { shape, data };
  return { shape, data: data.map((value) => halfBitsToFloat32(float32ToHalfBits(value))) };
}

/** Without recording, the result must be bit-identical and carry no history. */
async function checkNoGrad(
  gpu: Gpu,
  op: OpCase,
  inputs: readonly Tensor[],
  expected: Float32Array,
): Promise<Mismatch | undefined> {
  const output = gpu.scope(() => noGrad(() => op.run(inputs)));
  const values = await output.read();
  const history = output.node !== undefined || output.requiresGrad;
  output.dispose();
  if (history) return { where: 'history under noGrad', index: -1, found: 1, expected: 0, bound: 0 };
  return compareArrays('output under noGrad', values, expected, { atol: 0, rtol: 0 });
}

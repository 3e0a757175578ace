import type { Gpu } from '../gpu/gpu.ts';
import { backward } from './backward.ts';
import { compareArrays, type Mismatch, toleranceFor } from './gradcheck.ts';
import { add } from './ops/arithmetic.ts';
import { Parameter } from './parameter.ts';
import type { RandomStream } from './philox.ts';
import {
  type HostArray,
  hostArray,
  type OpCase,
  randomArray,
  type Tolerance,
} from './registry/row.ts';
import { sameShape, type Tensor, tensorFrom } from './tensor.ts';

const EXACT: Tolerance = { atol: 0, rtol: 0 };
/** One more rounding, of a sum. */
const ROUNDING = 2 ** -23;
/** Kernels that add in place begin their sum with what is there: the same terms in another order. */
const REORDERED: Tolerance = { atol: 1e-6, rtol: 1e-6 };

function fault(where: string): Mismatch {
  return { where, index: -1, found: 0, expected: 1, bound: 0 };
}

/** Bits that no gradient of a check has, in gradients that were never written. */
const STALE = Number.NaN;

/**
 * How an op behaves inside a graph, where the same op and tensors occur more than once:
 *
 * 1. used twice on the same inputs, each gradient is twice the gradient of one use, up to rounding;
 * 2. parameters, whose gradients begin with stale content, hold the gradient after one backward pass, to
 *    the bit, and twice that after a second, up to rounding;
 * 3. when one input alone needs a gradient and the others are constants, it gets the same one, to the bit;
 * 4. one tensor given as two inputs gets the sum of both gradients, to the row's tolerance.
 */
export async function checkReuse(
  gpu: Gpu,
  op: OpCase,
  tolerance: Tolerance,
  random: RandomStream,
): Promise<Mismatch | undefined> {
  const learned = op.inputs.map((_, index) => index).filter((i) => !op.constant.includes(i));
  if (!learned.length) return undefined;
  const cotangent = randomArray(random, op.forward(op.inputs).shape);
  return (
    (await checkRepetition(gpu, op, learned, cotangent)) ??
    (await checkSharedInputs(gpu, op, learned, cotangent, tolerance))
  );
}

async function checkRepetition(
  gpu: Gpu,
  op: OpCase,
  learned: readonly number[],
  cotangent: HostArray,
): Promise<Mismatch | undefined> {
  const made = gpu.scope(() => {
    const seed = upload(gpu, cotangent);
    const once = gradientsOf(gpu, op, learned, (inputs) => op.run(inputs), seed);
    const twice = gradientsOf(
      gpu,
      op,
      learned,
      (inputs) => add(op.run(inputs), op.run(inputs)),
      seed,
    );
    const alone = learned.map((index) =>
      gradientsOf(gpu, op, [index], (inputs) => op.run(inputs), seed),
    );
    const parameters = op.inputs.map((input, index) =>
      learned.includes(index) ? parameterOf(gpu, input) : upload(gpu, input),
    );
    const passes = [1, 2].map(() => {
      backward(
        op.run(parameters),
        parameters.filter((tensor) => tensor.requiresGrad),
        seed,
      );
      return learned.map((index) => copyOfGradient(parameters[index]));
    });
    return { once, twice, alone, passes };
  });
  const dispose = (tensors: Iterable<Tensor | undefined>): void => {
    for (const tensor of new Set(tensors)) tensor?.dispose();
  };
  try {
    for (const [position, index] of learned.entries()) {
      const single = await made.once[index]?.read();
      if (!single) return fault(`gradient ${index} missing`);
      const double = single.map((value) => 2 * value);
      const doubled = toleranceFor(REORDERED, double);
      const comparisons = [
        ['of two uses', made.twice[index], double, doubled],
        ['alone', made.alone[position][index], single, EXACT],
        ['collected', made.passes[0][position], single, EXACT],
        ['collected twice', made.passes[1][position], double, doubled],
      ] as const;
      for (const [what, tensor, expected, allowed] of comparisons) {
        const where = `gradient ${index} ${what}`;
        const mismatch = compareArrays(where, (await tensor?.read()) ?? [], expected, allowed);
        if (mismatch) return mismatch;
      }
    }
    return undefined;
  } finally {
    dispose([...made.once, ...made.twice, ...made.alone.flat(), ...made.passes.flat()]);
  }
}

/** Gradients by input, when only `wanted` ask for one. */
function gradientsOf(
  gpu: Gpu,
  op: OpCase,
  wanted: readonly number[],
  run: (inputs: readonly Tensor[]) => Tensor,
  seed: Tensor,
): (Tensor | undefined)[] {
  const inputs = op.inputs.map((input) => upload(gpu, input));
  for (const index of wanted) inputs[index].requiresGrad = true;
  const wrt = wanted.map((index) => inputs[index]);
  const found = backward(run(inputs), wrt, seed);
  // Copies: an op may pass on the cotangent itself.
  return inputs.map((input) => {
    const gradient = found.get(input);
    return gradient && copyOf(gradient);
  });
}

async function checkSharedInputs(
  gpu: Gpu,
  op: OpCase,
  learned: readonly number[],
  cotangent: HostArray,
  tolerance: Tolerance,
): Promise<Mismatch | undefined> {
  for (const [position, first] of learned.entries()) {
    for (const second of learned.slice(position + 1)) {
      const shared = op.inputs[second];
      if (!sameShape(op.inputs[first].shape, shared.shape)) continue;
      const values = op.inputs.map((input, index) => (index === first ? shared : input));
      const gradients = op.backward(values, cotangent);
      const parts = [gradients[first], gradients[second]];
      const expected = shared.data.map((_, i) => sumOf(parts, i, (value) => value));
      // An op need not be defined there (the root of a product of equal factors below 0).
      if (!expected.every(Number.isFinite)) continue;
      const made = gpu.scope(() => {
        const inputs = values.map((input) => upload(gpu, input));
        const both = inputs[second];
        both.requiresGrad = true;
        inputs[first] = both;
        return backward(op.run(inputs), [both], upload(gpu, cotangent)).get(both);
      });
      if (!made) return fault(`gradient of one tensor as inputs ${first} and ${second} missing`);
      const found = await made.read();
      made.dispose();
      // Both parts are rounded before they are added, and may cancel.
      const scale = Math.sqrt(2 * op.reduction.backward);
      for (let i = 0; i < expected.length; i++) {
        const size = sumOf(parts, i, Math.abs);
        const bound = (tolerance.atol + tolerance.rtol * size) * scale + ROUNDING * size;
        if (!(Math.abs(found[i] - expected[i]) <= bound)) {
          const where = `gradient of one tensor as inputs ${first} and ${second}`;
          return { where, index: i, found: found[i], expected: expected[i], bound };
        }
      }
    }
  }
  return undefined;
}

function sumOf(
  parts: readonly (HostArray | undefined)[],
  index: number,
  of: (value: number) => number,
): number {
  return parts.reduce((sum, part) => sum + of(part?.data[index] ?? Number.NaN), 0);
}

function upload(gpu: Gpu, { data, shape }: HostArray): Tensor {
  return tensorFrom(gpu, Float32Array.from(data), shape);
}

function copyOf(tensor: Tensor): Tensor {
  const copy = upload(tensor.gpu, hostArray(tensor.shape));
  if (tensor.size) tensor.gpu.copy(tensor.storage, copy.storage, tensor.size * 4);
  return copy;
}

function parameterOf(gpu: Gpu, input: HostArray): Parameter {
  const stale = hostArray(input.shape);
  stale.data.fill(STALE);
  const gradient = upload(gpu, stale).storage;
  return new Parameter(gpu, input.shape, upload(gpu, input).storage, gradient, 'parameter');
}

function copyOfGradient(tensor: Tensor): Tensor | undefined {
  return tensor instanceof Parameter ? copyOf(tensor.gradient.tensor) : undefined;
}

import { adam, adamHyper } from '../../kernels/adam.ts';
import { copyBlocks } from '../../kernels/copy-blocks.ts';
import { dropoutKernel } from '../../kernels/dropout.ts';
import {
  elementwiseActivation,
  elementwiseActivationGradient,
  elementwiseBinary,
} from '../../kernels/elementwise.ts';
import { reduceRows, reduceRowsGradient } from '../../kernels/reduce.ts';
import { activationSlope, activationValue } from '../../src/autograd/reference/activations.ts';
import { lossTerm } from '../../src/autograd/reference/losses.ts';
import {
  Comparator,
  type Comparison,
  type KernelCase,
  noise,
  singleKernel,
  spreadOut,
} from './kernel-case.ts';

/* Work that moves memory and computes little: element by element, or sums. */

/** The elements of one level-1 activation of the paper's U-Net, 64 channels of 128×128 pixels. */
const elementsOf = (batch: number): number => batch * 64 * 128 * 128;

const LEAKY = { kind: 'leaky_relu', slope: 0.2 } as const;
const TANH = { kind: 'tanh' } as const;

/** Compares a sample of elements with what `expected` says of them. */
function checkElements(
  found: Float32Array,
  expected: (index: number) => number,
  tolerance = 1e-5,
): Comparison {
  const comparator = new Comparator();
  for (const index of spreadOut(found.length, 50_000)) {
    comparator.add(found, index, [expected(index)]);
  }
  return comparator.result(tolerance);
}

function elementwiseCases(batch: number): KernelCase[] {
  const size = elementsOf(batch);
  const shape = `${size.toLocaleString('en')} elements`;
  const bytes = (arrays: number): number => arrays * size * 4;
  return [
    {
      name: `elementwise add b${batch}`,
      shape,
      bytes: bytes(3),
      prepare(profile) {
        const [a, b] = [noise(size, 1), noise(size, 2)];
        return {
          plan: singleKernel(elementwiseBinary('add', size, profile), 2),
          inputs: [a, b],
          outputs: [size],
          check: ([y]) => checkElements(y, (i) => a[i] + b[i]),
        };
      },
    },
    ...[LEAKY, TANH].flatMap((activation): KernelCase[] => [
      {
        name: `elementwise ${activation.kind} b${batch}`,
        shape,
        bytes: bytes(2),
        prepare(profile) {
          const x = noise(size, 1);
          return {
            plan: singleKernel(elementwiseActivation(activation, size, profile), 1),
            inputs: [x],
            outputs: [size],
            check: ([y]) => checkElements(y, (i) => activationValue(activation, x[i])),
          };
        },
      },
      {
        name: `elementwise ${activation.kind}-gradient b${batch}`,
        shape,
        bytes: bytes(3),
        prepare(profile) {
          const [dy, x] = [noise(size, 1), noise(size, 2)];
          const y = x.map((value) => activationValue(activation, value));
          return {
            plan: singleKernel(elementwiseActivationGradient(activation, size, profile), 2),
            inputs: [dy, y],
            outputs: [size],
            check: ([dx]) => checkElements(dx, (i) => dy[i] * activationSlope(activation, x[i])),
          };
        },
      },
    ]),
    {
      name: `elementwise dropout b${batch}`,
      shape,
      bytes: bytes(2),
      prepare(profile) {
        const x = noise(size, 1);
        return {
          plan: singleKernel(dropoutKernel(0.5, size, profile), 2),
          inputs: [x, Uint32Array.of(1, 2, 3, 4)],
          outputs: [size],
          // Which elements are kept is tested elsewhere; here, that each is doubled or gone, and half are.
          check: ([y]) => {
            let kept = 0;
            for (let i = 0; i < size; i++) if (y[i] !== 0) kept++;
            const fair = Math.abs(kept / size - 0.5) < 0.01;
            return checkElements(y, (i) =>
              fair ? (y[i] === 0 ? 0 : 2 * x[i]) : Number.POSITIVE_INFINITY,
            );
          },
        };
      },
    },
    {
      name: `copy concat-half b${batch}`,
      shape: `${batch}× half of ${shape}`,
      bytes: bytes(1),
      prepare(profile) {
        const block = size / batch;
        const half = block / 2;
        const x = noise(batch * half, 1);
        const spec = {
          outer: batch,
          length: half,
          sourceStride: half,
          sourceOffset: 0,
          targetStride: block,
          targetOffset: half,
        };
        return {
          plan: singleKernel(copyBlocks(spec, profile), 1),
          inputs: [x],
          outputs: [size],
          check: ([y]) => {
            const comparator = new Comparator();
            for (let n = 0; n < batch; n++) {
              comparator.add(y, n * block + half, x.subarray(n * half, (n + 1) * half));
            }
            return comparator.result(0);
          },
        };
      },
    },
  ];
}

/** Parameters of one arena of Adam, 64 MiB. */
const ARENA = 2 ** 24;

function adamCase(): KernelCase {
  const hyper = {
    learningRate: 3e-4,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    step: 1,
    gradientScale: 1,
  };
  return {
    name: 'adam arena',
    shape: `${ARENA.toLocaleString('en')} parameters`,
    // Reads g, θ, m, v; writes θ, m, v.
    bytes: 7 * ARENA * 4,
    prepare() {
      const [g, parameters] = [noise(ARENA, 1), noise(ARENA, 2)];
      return {
        plan: singleKernel(adam(ARENA), 2),
        inputs: [g, adamHyper(hyper)],
        outputs: [parameters, new Float32Array(ARENA), new Float32Array(ARENA)],
        // After one step from zero moments θ - lr·g/(|g| + ε), since both corrections cancel.
        check: ([updated, first]) => {
          const comparator = new Comparator();
          for (const i of spreadOut(ARENA, 50_000)) {
            const step = (hyper.learningRate * g[i]) / (Math.abs(g[i]) + hyper.epsilon);
            comparator.add(updated, i, [parameters[i] - step]);
            comparator.add(first, i, [(1 - hyper.beta1) * g[i]]);
          }
          return comparator.result(1e-6);
        },
      };
    },
  };
}

function reductionCases(batch: number): KernelCase[] {
  const length = elementsOf(1);
  const spec = {
    term: { name: 'absolute_difference', second: 'array' },
    rows: batch,
    length,
    factor: 1 / length,
  } as const;
  const shape = `${batch} rows of ${length.toLocaleString('en')}`;
  return [
    {
      name: `reduce l1 b${batch}`,
      shape,
      bytes: 2 * batch * length * 4,
      prepare(profile) {
        const [a, b] = [noise(batch * length, 1), noise(batch * length, 2)];
        return {
          plan: reduceRows(spec, profile),
          inputs: [a, b],
          outputs: [batch],
          check: ([y]) => {
            const comparator = new Comparator();
            for (let row = 0; row < batch; row++) {
              let sum = 0;
              for (let i = row * length; i < (row + 1) * length; i++) {
                sum += lossTerm('absolute_difference', a[i], b[i]).value;
              }
              comparator.add(y, row, [sum * spec.factor]);
            }
            return comparator.result(1e-6);
          },
        };
      },
    },
    {
      name: `reduce l1-gradient b${batch}`,
      shape,
      bytes: 3 * batch * length * 4,
      prepare(profile) {
        const [a, b] = [noise(batch * length, 1), noise(batch * length, 2)];
        const dy = noise(batch, 3);
        return {
          plan: singleKernel(reduceRowsGradient(spec, 'first', false, profile), 3),
          inputs: [dy, a, b],
          outputs: [batch * length],
          check: ([da]) =>
            checkElements(
              da,
              (i) =>
                dy[Math.floor(i / length)] *
                spec.factor *
                lossTerm('absolute_difference', a[i], b[i]).da,
            ),
        };
      },
    },
  ];
}

/** Element-wise maps, copies, Adam, reductions. */
export function memoryCases(batches: readonly number[]): KernelCase[] {
  return [...batches.flatMap(elementwiseCases), adamCase(), ...batches.flatMap(reductionCases)];
}

import { batchedProduct } from '../../kernels/batched-product.ts';
import type { BatchedProductSpec } from '../../kernels/batched-product-spec.ts';
import { softmaxBackward, softmaxForward } from '../../kernels/softmax.ts';
import {
  Comparator,
  type KernelCase,
  noise,
  singleKernel,
  spreadOut,
  sumTolerance,
} from './kernel-case.ts';

/*
 * Attention as MSPGAN's transformer has it at 256×256: 8 heads of 32 channels among 32×32 tokens. The three
 * orientations are those of the forward and backward passes: scores are `tn`, mixtures `nt`, and the gradients
 * of values and keys `nn`.
 */

const HEADS = 8;
const TOKENS = 1024;
const DEPTH = 32;
/** Results of a product, or rows of softmax, that are compared. */
const SAMPLES = 500;

type Orientation = 'tn' | 'nt' | 'nn';

function specOf(orientation: Orientation, groups: number): BatchedProductSpec {
  const isScores = orientation === 'tn';
  return {
    groups,
    rows: isScores ? TOKENS : DEPTH,
    columns: TOKENS,
    depth: isScores ? DEPTH : TOKENS,
    transposeA: orientation === 'tn',
    transposeB: orientation === 'nt',
    factor: 1,
  };
}

/** One element of a product in double precision. */
function elementOf(spec: BatchedProductSpec, a: Float32Array, b: Float32Array, at: number): number {
  const { rows, columns, depth, transposeA, transposeB } = spec;
  const group = Math.floor(at / (rows * columns));
  const row = Math.floor(at / columns) % rows;
  const column = at % columns;
  let sum = 0;
  for (let k = 0; k < depth; k++) {
    const inA = transposeA ? k * rows + row : row * depth + k;
    const inB = transposeB ? column * depth + k : k * columns + column;
    sum += a[group * rows * depth + inA] * b[group * columns * depth + inB];
  }
  return sum;
}

function productCase(orientation: Orientation, batch: number): KernelCase {
  const spec = specOf(orientation, batch * HEADS);
  const { groups, rows, columns, depth } = spec;
  const size = groups * rows * columns;
  return {
    name: `attention product ${orientation} b${batch}`,
    shape: `${groups} of ${rows}×${depth}×${columns}`,
    flops: 2 * size * depth,
    bytes: (groups * depth * (rows + columns) + size) * 4,
    prepare(profile) {
      const a = noise(groups * rows * depth, 1);
      const b = noise(groups * columns * depth, 2);
      return {
        plan: singleKernel(batchedProduct(spec, profile), 2),
        inputs: [a, b],
        outputs: [size],
        check: ([y]) => {
          const comparator = new Comparator();
          for (const at of spreadOut(size, SAMPLES)) {
            comparator.add(y, at, [elementOf(spec, a, b, at)]);
          }
          return comparator.result(sumTolerance(depth));
        },
      };
    },
  };
}

/** Softmax of one row of x. */
function softmaxOf(x: Float32Array): number[] {
  const raised = Array.from(x, (value) => Math.exp(value));
  const total = raised.reduce((sum, value) => sum + value, 0);
  return raised.map((value) => value / total);
}

function softmaxCases(batch: number): KernelCase[] {
  const rows = batch * HEADS * TOKENS;
  const size = rows * TOKENS;
  const shape = `${rows} rows of ${TOKENS}`;
  const rowOf = (data: Float32Array, row: number) =>
    data.subarray(row * TOKENS, (row + 1) * TOKENS);
  return [
    {
      name: `softmax forward b${batch}`,
      shape,
      bytes: 2 * size * 4,
      prepare(profile) {
        const x = noise(size, 1);
        return {
          plan: singleKernel(softmaxForward(rows, TOKENS, profile), 1),
          inputs: [x],
          outputs: [size],
          check: ([y]) => {
            const comparator = new Comparator();
            for (const row of spreadOut(rows, 20)) {
              comparator.add(y, row * TOKENS, softmaxOf(rowOf(x, row)));
            }
            return comparator.result(1e-5);
          },
        };
      },
    },
    {
      name: `softmax backward b${batch}`,
      shape,
      bytes: 3 * size * 4,
      prepare(profile) {
        const [dy, y] = [noise(size, 1), noise(size, 2).map((value) => Math.abs(value) / TOKENS)];
        return {
          plan: singleKernel(softmaxBackward(rows, TOKENS, profile), 2),
          inputs: [dy, y],
          outputs: [size],
          check: ([dx]) => {
            const comparator = new Comparator();
            for (const row of spreadOut(rows, 20)) {
              const [g, p] = [rowOf(dy, row), rowOf(y, row)];
              const mean = g.reduce((sum, value, i) => sum + value * p[i], 0);
              comparator.add(
                dx,
                row * TOKENS,
                Array.from(p, (value, i) => value * (g[i] - mean)),
              );
            }
            return comparator.result(1e-5);
          },
        };
      },
    },
  ];
}

export function attentionCases(batches: readonly number[]): KernelCase[] {
  return batches.flatMap((batch) => [
    ...(['tn', 'nt', 'nn'] as const).map((orientation) => productCase(orientation, batch)),
    ...softmaxCases(batch),
  ]);
}

import { gelu } from '../ops/gelu.ts';
import { layerNorm } from '../ops/layer-norm.ts';
import { softmax } from '../ops/softmax.ts';
import { mixTokens, tokenSimilarity } from '../ops/token-products.ts';
import type { RandomStream } from '../philox.ts';
import { map } from '../reference/arithmetic.ts';
import {
  geluSlope,
  layerNormGradientReference,
  layerNormReference,
  mixTokensGradientReference,
  mixTokensReference,
  normalDistribution,
  softmaxGradientReference,
  softmaxReference,
  tokenSimilarityGradientReference,
  tokenSimilarityReference,
} from '../reference/transformer.ts';
import { type Shape, sizeOf } from '../tensor.ts';
import { type AnyOpRow, opRow, randomArray, type Sample } from './row.ts';

interface Heads {
  readonly heads: number;
  readonly factor: number;
}

/** Tokens around the tiles, of 4×4 and of 16×32, heads of one channel and more, and the two sides unlike. */
const SIMILARITIES: readonly (Heads & { readonly a: Shape; readonly b: Shape })[] = [
  { a: [2, 8, 4, 4], b: [2, 8, 4, 4], heads: 2, factor: 0.5 },
  { a: [1, 6, 3, 3], b: [1, 6, 3, 3], heads: 3, factor: 1 },
  { a: [1, 4, 1, 1], b: [1, 4, 1, 1], heads: 4, factor: -0.7 },
  { a: [2, 5, 1, 7], b: [2, 5, 1, 6], heads: 1, factor: 1 / 0.07 },
  { a: [1, 8, 4, 5], b: [1, 8, 13], heads: 1, factor: 0.3 },
  { a: [1, 16, 4, 5], b: [1, 16, 4, 9], heads: 2, factor: 0.3 },
  { a: [2, 64, 8, 8], b: [2, 64, 8, 8], heads: 8, factor: 8 ** -0.5 },
];

const MIXTURES: readonly { readonly x: Shape; readonly heads: number }[] = [
  { x: [2, 8, 4, 4], heads: 2 },
  { x: [1, 6, 3, 3], heads: 3 },
  { x: [1, 4, 1, 1], heads: 4 },
  { x: [2, 3, 1, 5], heads: 1 },
  { x: [1, 24, 4, 9], heads: 2 },
  { x: [2, 32, 8, 8], heads: 8 },
];

const ROWS: readonly Shape[] = [[1], [3, 1], [2, 3], [3, 4, 16], [2, 63], [2, 65], [4, 257]];

/** Rows of softmax whose largest logit dwarfs the others, and which are large as a whole. */
function farRows(random: RandomStream): Sample<undefined> {
  const x = randomArray(random, [4, 33], 30);
  for (let i = 0; i < 33; i++) x.data[i] = Math.fround(x.data[i] + 1e4);
  return { label: 'far logits', inputs: [x], attributes: undefined, skipGradcheck: true };
}

const GELU_SHAPES: readonly Shape[] = [[], [3], [2, 3, 5, 7], [2, 4, 8, 8]];

function farValues(random: RandomStream): Sample<undefined> {
  const x = randomArray(random, [29], 3);
  for (const [i, value] of [0, -0, 4, -4, -6, 9, -9, -12, 30, -30, 1e6, -1e6].entries()) {
    x.data[i] = value;
  }
  return { label: 'tails', inputs: [x], attributes: undefined, skipGradcheck: true };
}

const NORM_SHAPES: readonly Shape[] = [
  [2, 5, 3, 3],
  [1, 8, 4, 4],
  [3, 2, 1, 1],
  [2, 64, 5, 5],
  [2, 7, 67],
];

function normSample(random: RandomStream, shape: Shape, mean = 0): Sample<undefined> {
  const x = randomArray(random, shape);
  for (let i = 0; i < x.data.length; i++) x.data[i] = Math.fround(x.data[i] + mean);
  return {
    label: `[${shape}]${mean ? ` about ${mean}` : ''}`,
    inputs: [x, randomArray(random, [shape[1]]), randomArray(random, [shape[1]])],
    attributes: undefined,
    reduction: { forward: 1, backward: shape[0] * sizeOf(shape.slice(2)) },
    skipGradcheck: mean !== 0,
    // Two channels become -1 and 1 whatever they are: their gradient all but vanishes.
    cancels: shape[1] === 2 ? 'gradients' : undefined,
  };
}

export const TRANSFORMER_OPS: readonly AnyOpRow[] = [
  opRow<Heads>({
    name: 'token_similarity',
    formula: 'y[g,i,j] = factor·Σ_d a[g,d,i]·b[g,d,j]',
    samples: (random) =>
      SIMILARITIES.map(({ a, b, heads, factor }) => ({
        label: `[${a}] [${b}] in ${heads} heads`,
        inputs: [randomArray(random, a), randomArray(random, b)],
        attributes: { heads, factor },
        reduction: {
          forward: a[1] / heads,
          backward: Math.max(sizeOf(a.slice(2)), sizeOf(b.slice(2))),
        },
        cancels: 'both' as const,
      })),
    run: ([a, b], attributes) => tokenSimilarity(a, b, attributes),
    forward: ([a, b], { heads, factor }) => tokenSimilarityReference(a, b, heads, factor),
    backward: ([a, b], { heads, factor }, dy) =>
      tokenSimilarityGradientReference(a, b, heads, factor, dy),
    halves: [0, 1],
    tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 2e-6, rtol: 2e-6 } },
  }),
  opRow<{ readonly heads: number }>({
    name: 'mix_tokens',
    formula: 'y[g,d,i] = Σ_j weights[g,i,j]·x[g,d,j]',
    samples: (random) =>
      MIXTURES.map(({ x, heads }) => {
        const count = sizeOf(x.slice(2));
        return {
          label: `[${x}] in ${heads} heads`,
          inputs: [randomArray(random, [x[0] * heads, count, count]), randomArray(random, x)],
          attributes: { heads },
          reduction: { forward: count, backward: Math.max(count, x[1] / heads) },
          cancels: 'both' as const,
        };
      }),
    run: ([weights, x], { heads }) => mixTokens(weights, x, heads),
    forward: ([weights, x], { heads }) => mixTokensReference(weights, x, heads),
    backward: ([weights, x], { heads }, dy) => mixTokensGradientReference(weights, x, heads, dy),
    halves: [0, 1],
    tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 1e-6, rtol: 1e-6 } },
  }),
  opRow<undefined>({
    name: 'softmax',
    formula: 'y = e^x / Σ e^x along the last axis',
    samples: (random) => [
      ...ROWS.map((shape) => ({
        label: `[${shape}]`,
        inputs: [randomArray(random, shape, 2)],
        attributes: undefined,
        cancels: 'gradients' as const,
      })),
      farRows(random),
    ],
    run: ([x]) => softmax(x),
    forward: ([x]) => softmaxReference(x),
    backward: ([x], _attributes, dy) => [softmaxGradientReference(x, dy)],
    halves: [0],
    tolerance: { forward: { atol: 1e-6, rtol: 5e-6 }, backward: { atol: 1e-6, rtol: 5e-6 } },
  }),
  opRow<undefined>({
    name: 'gelu',
    formula: 'y = x·Φ(x)',
    samples: (random) => [
      ...GELU_SHAPES.map((shape) => ({
        label: `[${shape}]`,
        inputs: [randomArray(random, shape, 2)],
        attributes: undefined,
      })),
      farValues(random),
    ],
    run: ([x]) => gelu(x),
    forward: ([x]) => map((value) => value * normalDistribution(value), x),
    backward: ([x], _attributes, dy) => [map((value, g) => g * geluSlope(value), x, dy)],
    halves: [0],
    tolerance: { forward: { atol: 1e-6, rtol: 2e-6 }, backward: { atol: 1e-6, rtol: 2e-6 } },
  }),
  opRow<undefined>({
    name: 'layer_norm',
    formula: 'y[n,c,p] = γ[c]·(x - mean_c)/sqrt(variance_c + ε) + β[c]',
    samples: (random) => [
      ...NORM_SHAPES.map((shape) => normSample(random, shape)),
      normSample(random, [2, 16, 9], 1000),
    ],
    run: ([x, scale, shift]) => layerNorm(x, scale, shift),
    forward: (inputs) => layerNormReference(inputs, 1e-5),
    backward: (inputs, _attributes, dy) => layerNormGradientReference(inputs, 1e-5, dy),
    halves: [0],
    tolerance: { forward: { atol: 5e-6, rtol: 5e-6 }, backward: { atol: 5e-6, rtol: 5e-6 } },
  }),
];

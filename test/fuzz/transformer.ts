import fc from 'fast-check';
import { gelu } from '../../src/autograd/ops/gelu.ts';
import { infoNce } from '../../src/autograd/ops/info-nce.ts';
import { layerNorm } from '../../src/autograd/ops/layer-norm.ts';
import { regionMean } from '../../src/autograd/ops/region-mean.ts';
import { softmax } from '../../src/autograd/ops/softmax.ts';
import { mixTokens, tokenSimilarity } from '../../src/autograd/ops/token-products.ts';
import { unitLength } from '../../src/autograd/ops/unit-length.ts';
import type { RandomStream } from '../../src/autograd/philox.ts';
import { map } from '../../src/autograd/reference/arithmetic.ts';
import {
  infoNceGradientReference,
  infoNceReference,
  regionMeanGradientReference,
  regionMeanReference,
  unitLengthGradientReference,
  unitLengthReference,
} from '../../src/autograd/reference/contrast.ts';
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
} from '../../src/autograd/reference/transformer.ts';
import { uploadRegions } from '../../src/autograd/regions.ts';
import type { Shape } from '../../src/autograd/tensor.ts';
import { type AnyProperty, draw, property } from './property.ts';

const batch = fc.integer({ min: 1, max: 3 });
/** Around the tile of 4 tokens, and around a row of lanes. */
const tokens = fc.oneof(fc.integer({ min: 1, max: 13 }), fc.constantFrom(16, 31, 32, 33, 64, 65));
const channels = fc.integer({ min: 1, max: 12 });
const heads = fc.constantFrom(1, 1, 2, 3, 4);

const similarity = property<{ n: number; c: number; a: number; b: number; h: number; odd: number }>(
  {
    name: 'token_similarity',
    arbitrary: fc.record({
      n: batch,
      c: channels,
      a: tokens,
      b: tokens,
      h: heads,
      odd: fc.constantFrom(0, 0, 0, 1),
    }),
    make: ({ n, c, a, b, h, odd }, random) => ({
      row: 'token_similarity',
      inputs: draw(random, [n, c, a], [n, c + odd, b]),
      isValid: c % h === 0 && odd === 0,
      run: ([x, y]) => tokenSimilarity(x, y, { heads: h, factor: 0.5 }),
      forward: ([x, y]) => tokenSimilarityReference(x, y, h, 0.5),
      backward: ([x, y], dy) => tokenSimilarityGradientReference(x, y, h, 0.5, dy),
      reduction: { forward: c / h, backward: Math.max(a, b) },
      cancels: 'both',
    }),
  },
);

const mixture = property<{ n: number; c: number; t: number; h: number; odd: number }>({
  name: 'mix_tokens',
  arbitrary: fc.record({
    n: batch,
    c: channels,
    t: tokens,
    h: heads,
    odd: fc.constantFrom(0, 0, 1),
  }),
  make: ({ n, c, t, h, odd }, random) => ({
    row: 'mix_tokens',
    inputs: draw(random, [n * h, t, t + odd], [n, c, t]),
    isValid: c % h === 0 && odd === 0,
    run: ([weights, x]) => mixTokens(weights, x, h),
    forward: ([weights, x]) => mixTokensReference(weights, x, h),
    backward: ([weights, x], dy) => mixTokensGradientReference(weights, x, h, dy),
    reduction: { forward: t, backward: Math.max(t, c / h) },
    cancels: 'both',
  }),
});

const rows = property<{ shape: Shape; scale: number }>({
  name: 'softmax',
  arbitrary: fc.record({
    shape: fc.tuple(batch, fc.integer({ min: 1, max: 300 })),
    scale: fc.constantFrom(0.1, 3, 50),
  }),
  make: ({ shape, scale }, random) => {
    const [x] = draw(random, shape);
    return {
      row: 'softmax',
      inputs: [map((value) => Math.fround(scale * value), x)],
      isValid: true,
      run: ([input]) => softmax(input),
      forward: ([input]) => softmaxReference(input),
      backward: ([input], dy) => [softmaxGradientReference(input, dy)],
      cancels: 'both',
    };
  },
});

const bent = property<{ shape: Shape; scale: number }>({
  name: 'gelu',
  arbitrary: fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
    scale: fc.constantFrom(0.01, 1, 5),
  }),
  make: ({ shape, scale }, random) => {
    const [x] = draw(random, shape);
    return {
      row: 'gelu',
      inputs: [map((value) => Math.fround(scale * value), x)],
      isValid: true,
      run: ([input]) => gelu(input),
      forward: ([input]) => map((value) => value * normalDistribution(value), input),
      backward: ([input], dy) => [map((value, g) => g * geluSlope(value), input, dy)],
    };
  },
});

const normed = property<{ n: number; c: number; t: number; odd: number }>({
  name: 'layer_norm',
  arbitrary: fc.record({
    n: batch,
    c: fc.integer({ min: 3, max: 40 }),
    t: tokens,
    odd: fc.constantFrom(0, 0, 1),
  }),
  make: ({ n, c, t, odd }, random) => ({
    row: 'layer_norm',
    inputs: draw(random, [n, c, t], [c], [c + odd]),
    isValid: odd === 0,
    run: ([x, scale, shift]) => layerNorm(x, scale, shift),
    forward: (inputs) => layerNormReference(inputs, 1e-5),
    backward: (inputs, dy) => layerNormGradientReference(inputs, 1e-5, dy),
    reduction: { forward: 1, backward: n * t },
    cancels: 'both',
  }),
});

const units = property<{ n: number; c: number; t: number }>({
  name: 'unit_length',
  arbitrary: fc.record({ n: batch, c: fc.integer({ min: 2, max: 40 }), t: tokens }),
  make: ({ n, c, t }, random) => ({
    row: 'unit_length',
    inputs: draw(random, [n, c, t]),
    isValid: true,
    run: ([x]) => unitLength(x, 1e-7),
    forward: ([x]) => unitLengthReference(x, 1e-7),
    backward: ([x], dy) => [unitLengthGradientReference(x, 1e-7, dy)],
    reduction: { forward: 1, backward: c },
    cancels: 'both',
  }),
});

const labelsOf = (random: RandomStream, length: number, regions: number): number[] =>
  Array.from({ length }, () => random.integer(regions));

const pooled = property<{ n: number; c: number; h: number; w: number; s: number; odd: number }>({
  name: 'region_mean',
  arbitrary: fc.record({
    n: batch,
    c: channels,
    h: fc.integer({ min: 1, max: 9 }),
    w: fc.integer({ min: 1, max: 9 }),
    s: fc.integer({ min: 1, max: 20 }),
    odd: fc.constantFrom(0, 0, 1),
  }),
  make: ({ n, c, h, w, s, odd }, random) => {
    const labels = labelsOf(random, n * h * w, s);
    return {
      row: 'region_mean',
      inputs: draw(random, [n, c, h, w + odd]),
      isValid: odd === 0,
      run: ([x]) => regionMean(x, uploadRegions(x.gpu, labels, [n, h, w], s)),
      forward: ([x]) => regionMeanReference(x, labels, s),
      backward: ([x], dy) => [regionMeanGradientReference(x, labels, s, dy)],
      reduction: { forward: h * w, backward: 1 },
      cancels: 'output',
    };
  },
});

const contrast = property<{ n: number; s: number; pixels: number; odd: number }>({
  name: 'info_nce',
  arbitrary: fc.record({
    n: batch,
    s: fc.integer({ min: 1, max: 70 }),
    pixels: fc.integer({ min: 1, max: 90 }),
    odd: fc.constantFrom(0, 0, 1),
  }),
  make: ({ n, s, pixels, odd }, random) => {
    const labels = labelsOf(random, n * pixels, s);
    return {
      row: 'info_nce',
      inputs: draw(random, [n, s, s + odd]),
      isValid: odd === 0,
      run: ([x]) => infoNce(x, uploadRegions(x.gpu, labels, [n, 1, pixels], s)),
      forward: ([x]) => infoNceReference(x, labels),
      backward: ([x], dy) => [infoNceGradientReference(x, labels, dy)],
      cancels: 'both',
    };
  },
});

export const TRANSFORMER: readonly AnyProperty[] = [
  similarity,
  mixture,
  rows,
  bent,
  normed,
  units,
  pooled,
  contrast,
];

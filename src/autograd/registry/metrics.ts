import type { MomentMap } from '../../../kernels/moments.ts';
import { momentMap, productsOfPair } from '../ops/moments.ts';
import { correlationOf, negativeDecibels } from '../ops/scores.ts';
import { windowFilter } from '../ops/window-filter.ts';
import type { RandomStream } from '../philox.ts';
import {
  momentMapBackward,
  momentMapReference,
  productsOfPairBackward,
  productsOfPairForward,
} from '../reference/moments.ts';
import {
  type WindowAttributes,
  windowFilterBackward,
  windowFilterForward,
} from '../reference/window-filter.ts';
import type { Shape } from '../tensor.ts';
import {
  type AnyOpRow,
  type HostArray,
  hostArray,
  opRow,
  randomArray,
  type Sample,
} from './row.ts';

const TOLERANCE = { atol: 1e-6, rtol: 3e-6 };
/** Not symmetric, so that a window put the wrong way round is noticed. */
const FIVE = [0.1, 0.15, 0.4, 0.3, 0.05];
const THREE = [0.5, -0.25, 1];

function filterSample(
  random: RandomStream,
  shape: Shape,
  taps: readonly number[],
  border: WindowAttributes['border'],
): Sample<WindowAttributes> {
  return {
    label: `${shape.join('x')} ${border} ${taps.length}`,
    inputs: [randomArray(random, shape)],
    attributes: { taps, border },
  };
}

const WINDOW_FILTER = opRow<WindowAttributes>({
  name: 'window_filter',
  formula: 'y = x correlated with taps ⊗ taps, borders valid, reflect or zero',
  samples: (random) => [
    filterSample(random, [1, 2, 5, 7], FIVE, 'valid'),
    filterSample(random, [2, 1, 5, 6], THREE, 'valid'),
    filterSample(random, [1, 1, 9, 8], FIVE, 'reflect'),
    // The smallest image: nearly every sample has mirror images on both sides.
    filterSample(random, [2, 1, 3, 3], FIVE, 'reflect'),
    filterSample(random, [1, 1, 2, 4], THREE, 'reflect'),
    filterSample(random, [1, 3, 6, 5], FIVE, 'zero'),
    filterSample(random, [1, 1, 1, 1], FIVE, 'zero'),
    filterSample(random, [1, 1, 4, 3], [2], 'valid'),
  ],
  run: ([x], attributes) => windowFilter(x, attributes),
  forward: ([x], attributes) => windowFilterForward(x, attributes),
  backward: ([x], attributes, dy) => [windowFilterBackward(x, attributes, dy)],
  tolerance: { forward: TOLERANCE, backward: TOLERANCE },
});

const PRODUCTS_OF_PAIR = opRow<undefined>({
  name: 'products_of_pair',
  formula: 'y = (a, b, a², b², ab)',
  samples: (random) =>
    [
      [1, 1, 1, 1],
      [2, 1, 3, 5],
    ].map((shape) => ({
      label: shape.join('x'),
      inputs: [randomArray(random, shape), randomArray(random, shape)],
      attributes: undefined,
    })),
  run: ([a, b]) => productsOfPair(a, b),
  forward: ([a, b]) => productsOfPairForward(a, b),
  backward: ([a, b], _attributes, dy) => productsOfPairBackward(a, b, dy),
  tolerance: { forward: TOLERANCE, backward: TOLERANCE },
});

/** One of each kind, with the constants of the metrics. */
const MAPS: readonly MomentMap[] = [
  { kind: 'ssim', momentScale: 1, clampVariance: false, c1: 1e-4, c2: 9e-4 },
  { kind: 'ssim', momentScale: 49 / 48, clampVariance: true, c1: 1e-4, c2: 9e-4 },
  { kind: 'correlation', meanScale: 1, epsilon: 1e-5 },
  { kind: 'correlation', meanScale: 1 / 81, epsilon: 1e-5 },
  { kind: 'squared', area: 81, epsilon: 1e-5 },
  { kind: 'floored', area: 9, epsilon: 1e-5 },
];

/** Moments of windows: means in [0,1] and a covariance matrix that can occur, well away from 0. */
function drawMoments(random: RandomStream, shape: readonly [number, number, number]): HostArray {
  const [batch, height, width] = shape;
  const pixels = height * width;
  const moments = hostArray([batch, 5, height, width]);
  for (let window = 0; window < batch * pixels; window++) {
    const start = Math.floor(window / pixels) * 5 * pixels + (window % pixels);
    const ma = random.uniform();
    const mb = random.uniform();
    const va = 0.02 + 0.1 * random.uniform();
    const vb = 0.02 + 0.1 * random.uniform();
    const c = Math.sqrt(va * vb) * (1.6 * random.uniform() - 0.8);
    [ma, mb, va + ma ** 2, vb + mb ** 2, c + ma * mb].forEach((value, channel) => {
      moments.data[start + channel * pixels] = Math.fround(value);
    });
  }
  return moments;
}

/** Flat windows: variances of 0, or below 0 as rounding makes them. */
function flatMoments(): HostArray {
  return hostArray(
    [1, 5, 1, 3],
    [0.5, 0, 0.5, 0.25, 0, 0.5, 0.25, 0, 0.25, 0.0625, 0, 0.1875, 0.125, 0, 0.25],
  );
}

const MOMENT_MAP = opRow<MomentMap>({
  name: 'moment_map',
  formula: 'y = SSIM or local correlation, from window averages of (a, b, a², b², ab)',
  samples: (random) => [
    ...MAPS.map((map) => ({
      label: Object.values(map).join(' '),
      inputs: [drawMoments(random, [2, 3, 5])],
      attributes: map,
    })),
    ...MAPS.map((map) => ({
      label: `${Object.values(map).join(' ')}, flat windows`,
      inputs: [flatMoments()],
      attributes: map,
      // Kinks: one-sided slopes.
      skipGradcheck: true,
    })),
  ],
  run: ([moments], map) => momentMap(moments, map),
  forward: ([moments], map) => momentMapReference(moments, map),
  backward: ([moments], map, dy) => [momentMapBackward(moments, map, dy)],
  // Variances come from differences that lose up to two digits.
  tolerance: { forward: { atol: 1e-5, rtol: 1e-4 }, backward: { atol: 1e-3, rtol: 2e-4 } },
});

const NEGATIVE_DECIBELS = opRow<undefined>({
  name: 'negative_decibels',
  formula: 'y = -10·log10(x), or a ceiling where x = 0',
  samples: () => [
    {
      label: 'mean squared errors',
      inputs: [hostArray([5], [1, 0.18, 0.02, 1e-3, 0.7].map(Math.fround))],
      attributes: undefined,
    },
    {
      label: 'zero',
      inputs: [hostArray([2], [0, 0.5])],
      attributes: undefined,
      skipGradcheck: true,
    },
  ],
  run: ([x]) => negativeDecibels(x, 100),
  forward: ([x]) =>
    hostArray(
      x.shape,
      x.data.map((v) => (v === 0 ? 100 : -10 * Math.log10(v))),
    ),
  backward: ([x], _attributes, dy) => [
    hostArray(
      x.shape,
      x.data.map((v, i) => (v === 0 ? 0 : (-10 * dy.data[i]) / (v * Math.LN10))),
    ),
  ],
  tolerance: { forward: { atol: 1e-5, rtol: 1e-6 }, backward: TOLERANCE },
});

const CORRELATION = opRow<undefined>({
  name: 'correlation',
  formula: 'y = xy / √(xx·yy), or 0 where xx or yy is 0',
  samples: (random) => [
    {
      label: 'sums',
      inputs: [
        randomArray(random, [3]),
        hostArray([3], [2, 0.5, 3]),
        hostArray([3], [1.5, 4, 0.25]),
      ],
      attributes: undefined,
    },
    {
      label: 'flat',
      inputs: [hostArray([3], [0, 0, 0]), hostArray([3], [0, 2, 0]), hostArray([3], [1, 0, 0])],
      attributes: undefined,
      skipGradcheck: true,
    },
  ],
  run: ([xy, xx, yy]) => correlationOf(xy, xx, yy),
  forward: ([xy, xx, yy]) =>
    hostArray(
      xy.shape,
      xy.data.map((value, i) => {
        const product = xx.data[i] * yy.data[i];
        return product === 0 ? 0 : value / Math.sqrt(product);
      }),
    ),
  backward: ([xy, xx, yy], _attributes, dy) => {
    const gradients = [hostArray(xy.shape), hostArray(xy.shape), hostArray(xy.shape)];
    dy.data.forEach((g, i) => {
      const product = xx.data[i] * yy.data[i];
      if (product === 0) return;
      gradients[0].data[i] = g * product ** -0.5;
      gradients[1].data[i] = -0.5 * g * xy.data[i] * yy.data[i] * product ** -1.5;
      gradients[2].data[i] = -0.5 * g * xy.data[i] * xx.data[i] * product ** -1.5;
    });
    return gradients;
  },
  tolerance: { forward: TOLERANCE, backward: TOLERANCE },
});

export const METRIC_OPS: readonly AnyOpRow[] = [
  WINDOW_FILTER,
  PRODUCTS_OF_PAIR,
  MOMENT_MAP,
  NEGATIVE_DECIBELS,
  CORRELATION,
];

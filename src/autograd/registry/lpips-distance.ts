import { lpipsDistance, lpipsDistances } from '../ops/lpips-distance.ts';
import type { RandomStream } from '../philox.ts';
import { lpipsDistanceBackward, lpipsDistanceForward } from '../reference/lpips-distance.ts';
import { type HostArray, hostArray, opRow, randomArray, type Sample } from './row.ts';

type ImageShape = readonly [number, number, number, number];

function weightsOf(random: RandomStream, channels: number): HostArray {
  const weights = randomArray(random, [channels]);
  return hostArray([channels], weights.data.map(Math.abs));
}

function sample(
  random: RandomStream,
  shape: ImageShape,
  options: { skipGradcheck?: boolean } = {},
): Sample<undefined> {
  return {
    label: shape.join('x'),
    inputs: [randomArray(random, shape), randomArray(random, shape), weightsOf(random, shape[1])],
    constant: [2],
    attributes: undefined,
    ...options,
  };
}

/** After a ReLU that leaves pixels where one image, the other, or both have only zeros. */
function rectified(random: RandomStream, shape: ImageShape): Sample<undefined> {
  const { inputs, ...rest } = sample(random, shape);
  const pixels = shape[2] * shape[3];
  const features = [0, 1].map((which) => {
    const data = inputs[which].data.map((value, i) =>
      (i % pixels) % 4 === which || (i % pixels) % 4 === 3 ? 0 : Math.max(value, 0),
    );
    return hostArray(shape, data);
  });
  return {
    ...rest,
    label: `${rest.label} with pixels of zeros`,
    inputs: [...features, inputs[2]],
    // The slope there is 1e10: no finite difference sees it.
    skipGradcheck: true,
  };
}

/** Taps of different shapes, whose distances are added. */
function several(random: RandomStream, shapes: readonly ImageShape[]): Sample<undefined> {
  return {
    label: shapes.map((shape) => shape.join('x')).join(' + '),
    inputs: shapes.flatMap((shape) => sample(random, shape).inputs),
    constant: shapes.map((_, k) => 3 * k + 2),
    attributes: undefined,
  };
}

/** Inputs come as both features and the weights of each tap. */
function tapsOf<T>(inputs: readonly T[]): (readonly [T, T, T])[] {
  return Array.from({ length: inputs.length / 3 }, (_, k) => [
    inputs[3 * k],
    inputs[3 * k + 1],
    inputs[3 * k + 2],
  ]);
}

export const LPIPS_DISTANCE = opRow<undefined>({
  name: 'lpips_distance',
  formula:
    'y[n] = Σ over taps of the mean over pixels of Σ_c w_c (f̂₀ - f̂₁)², f̂ = f/(√Σ_c f² + 1e-10)',
  samples: (random) => [
    sample(random, [2, 5, 3, 4]),
    sample(random, [1, 3, 1, 1]),
    sample(random, [3, 64, 1, 1]),
    sample(random, [2, 20, 3, 5]),
    sample(random, [1, 512, 2, 2]),
    sample(random, [1, 3, 67, 64], { skipGradcheck: true }),
    rectified(random, [2, 6, 3, 3]),
    rectified(random, [2, 6, 4, 4]),
    several(random, [
      [3, 4, 5, 5],
      [3, 8, 2, 3],
      [3, 2, 4, 4],
    ]),
  ],
  run: (inputs) => {
    const taps = tapsOf(inputs).map(([first, second, weights]) => ({ first, second, weights }));
    const [{ first, second, weights }] = taps;
    return taps.length === 1 ? lpipsDistance(first, second, weights) : lpipsDistances(taps);
  },
  forward: (inputs) => {
    const shares = tapsOf(inputs).map(([f0, f1, weights]) => lpipsDistanceForward(f0, f1, weights));
    return hostArray(
      shares[0].shape,
      shares[0].data.map((_, n) => shares.reduce((total, { data }) => total + data[n], 0)),
    );
  },
  backward: (inputs, _attributes, cotangent) =>
    tapsOf(inputs).flatMap(([f0, f1, weights]) => [
      ...lpipsDistanceBackward(f0, f1, weights, cotangent),
      undefined,
    ]),
  halves: [0, 1],
  tolerance: {
    forward: { atol: 1e-6, rtol: 3e-6 },
    backward: { atol: 2e-6, rtol: 1e-5 },
  },
});

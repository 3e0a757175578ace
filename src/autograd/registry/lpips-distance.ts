import { lpipsDistance } from '../ops/lpips-distance.ts';
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

export const LPIPS_DISTANCE = opRow<undefined>({
  name: 'lpips_distance',
  formula: 'y[n] = mean over pixels of Σ_c w_c (f̂₀ - f̂₁)², f̂ = f/(√Σ_c f² + 1e-10)',
  samples: (random) => [
    sample(random, [2, 5, 3, 4]),
    sample(random, [1, 3, 1, 1]),
    sample(random, [3, 64, 1, 1]),
    sample(random, [2, 20, 3, 5]),
    sample(random, [1, 512, 2, 2]),
    sample(random, [1, 3, 67, 64], { skipGradcheck: true }),
    rectified(random, [2, 6, 3, 3]),
    rectified(random, [2, 6, 4, 4]),
  ],
  run: ([f0, f1, weights]) => lpipsDistance(f0, f1, weights),
  forward: ([f0, f1, weights]) => lpipsDistanceForward(f0, f1, weights),
  backward: ([f0, f1, weights], _attributes, cotangent) => [
    ...lpipsDistanceBackward(f0, f1, weights, cotangent),
    undefined,
  ],
  tolerance: {
    forward: { atol: 1e-6, rtol: 3e-6 },
    backward: { atol: 2e-6, rtol: 1e-5 },
  },
});

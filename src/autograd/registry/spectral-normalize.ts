import { spectralNormalize } from '../ops/spectral-normalize.ts';
import type { RandomStream } from '../philox.ts';
import {
  powerIteration,
  spectralNormalizeBackward,
  spectralNormalizeForward,
} from '../reference/spectral-normalize.ts';
import { emptyTensor, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { type HostArray, hostArray, opRow, randomArray, type Sample } from './row.ts';

interface Attributes {
  readonly update: boolean;
  readonly outputAxis: 0 | 1;
  /** u and v after the update: constants of the derivative. */
  readonly u: HostArray;
  readonly v: HostArray;
}

function unit(random: RandomStream, length: number): HostArray {
  const { data } = randomArray(random, [length]);
  const norm = Math.hypot(...data);
  return hostArray(
    [length],
    data.map((value) => Math.fround(value / norm)),
  );
}

function sample(
  random: RandomStream,
  shape: Shape,
  outputAxis: 0 | 1,
  update: boolean,
): Sample<Attributes> {
  const rows = shape[outputAxis];
  const columns = sizeOf(shape) / rows;
  const weight = randomArray(random, shape, columns ** -0.5);
  // Near the singular vectors, as in training: random vectors would make σ, and every error, wild.
  const start = powerIteration(weight, unit(random, rows), outputAxis);
  const round = (array: HostArray): HostArray =>
    hostArray(array.shape, array.data.map(Math.fround));
  const u = round(start.u);
  const v = round(start.v);
  return {
    label: `${shape.join('x')} axis ${outputAxis}${update ? ' update' : ''}`,
    inputs: [weight, u, v],
    constant: [1, 2],
    attributes: {
      update,
      outputAxis,
      ...(update ? powerIteration(weight, u, outputAxis) : { u, v }),
    },
  };
}

/** The op overwrites its u and v; each run of a sample must start from the same ones. */
function copyOf(tensor: Tensor): Tensor {
  const copy = emptyTensor(tensor.gpu, tensor.shape);
  tensor.gpu.copy(tensor.storage, copy.storage, tensor.size * 4);
  return copy;
}

export const SPECTRAL_NORMALIZE = opRow<Attributes>({
  name: 'spectral_normalize',
  formula: 'W / σ, σ = uᵀ W v, with v ← n(Wᵀu), u ← n(W v) before it when training',
  samples: (random) => [
    sample(random, [7, 3, 3, 3], 0, true),
    sample(random, [1, 1, 1, 1], 0, true),
    sample(random, [3, 5, 4, 4], 1, true),
    sample(random, [20, 1, 4, 4], 0, true),
    sample(random, [72, 40, 4, 4], 0, true),
    sample(random, [70, 20, 4, 4], 0, true),
    sample(random, [9, 66, 1, 1], 1, true),
    sample(random, [20, 1, 4, 4], 0, false),
    sample(random, [7, 3, 3, 3], 0, false),
    sample(random, [3, 5, 4, 4], 1, false),
  ],
  run: ([weight, u, v], { update, outputAxis }) =>
    spectralNormalize(weight, copyOf(u), copyOf(v), { update, outputAxis }),
  forward: ([weight], { outputAxis, u, v }) => spectralNormalizeForward(weight, u, v, outputAxis),
  backward: ([weight], { outputAxis, u, v }, cotangent) => [
    spectralNormalizeBackward(weight, u, v, outputAxis, cotangent),
    undefined,
    undefined,
  ],
  tolerance: {
    forward: { atol: 1e-6, rtol: 5e-6 },
    backward: { atol: 1e-5, rtol: 1e-5 },
  },
});

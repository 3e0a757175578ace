import type { Activation } from '../../../kernels/activation.ts';
import { conv2dBranches } from '../ops/conv2d-branches.ts';
import type { RandomStream } from '../philox.ts';
import { concatReference, sliceReference } from '../reference/concat.ts';
import {
  type ConvolutionAttributes,
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../reference/conv2d.ts';
import {
  type AnyOpRow,
  type HostArray,
  hostArray,
  opRow,
  randomArray,
  type Sample,
} from './row.ts';

/** Kernel sides of the branches, each padded so that the image keeps its size. */
interface Attributes {
  readonly kernels: readonly number[];
  readonly activation: Activation;
}

/** Inputs: x, then weight and bias of every branch. */
function sample(
  random: RandomStream,
  image: readonly [number, number, number, number],
  channels: readonly number[],
  { kernels, activation }: Attributes,
): Sample<Attributes> {
  const inputs = [randomArray(random, image)];
  kernels.forEach((kernel, branch) => {
    const shape = [channels[branch], image[1], kernel, kernel];
    inputs.push(randomArray(random, shape, (image[1] * kernel * kernel) ** -0.5));
    inputs.push(randomArray(random, [channels[branch]]));
  });
  const taps = image[1] * Math.max(...kernels) ** 2;
  const total = channels.reduce((sum, count) => sum + count, 0);
  return {
    label: `${image.join('x')} to ${channels.join('+')} channels, kernels ${kernels.join(' and ')}, ${activation.kind}`,
    inputs,
    attributes: { kernels, activation },
    reduction: {
      forward: taps,
      backward: image[0] * image[2] * image[3] + total * Math.max(...kernels) ** 2,
    },
  };
}

const attributesOf = (
  { kernels, activation }: Attributes,
  branch: number,
): ConvolutionAttributes => ({
  stride: 1,
  padding: (kernels[branch] - 1) / 2,
  paddingMode: 'zeros',
  outputPadding: 0,
  activation,
});

const argumentsOf = (inputs: readonly HostArray[], branch: number): HostArray[] => [
  inputs[0],
  inputs[1 + 2 * branch],
  inputs[2 + 2 * branch],
];

function forward(inputs: readonly HostArray[], attributes: Attributes): HostArray {
  const outputs = attributes.kernels.map((_, branch) =>
    conv2dForwardReference(argumentsOf(inputs, branch), attributesOf(attributes, branch)),
  );
  return concatReference(outputs, 1);
}

function backward(
  inputs: readonly HostArray[],
  attributes: Attributes,
  cotangent: HostArray,
): HostArray[] {
  const dx = hostArray(inputs[0].shape);
  const others: HostArray[] = [];
  let first = 0;
  attributes.kernels.forEach((_, branch) => {
    const given = argumentsOf(inputs, branch);
    const count = given[1].shape[0];
    const dy = sliceReference(cotangent, 1, first, count);
    first += count;
    const [share, ...rest] = conv2dBackwardReference(given, attributesOf(attributes, branch), dy);
    share.data.forEach((value, i) => {
      dx.data[i] += value;
    });
    others.push(...rest);
  });
  return [dx, ...others];
}

const RELU: Activation = { kind: 'relu' };
const NONE: Activation = { kind: 'none' };
const TOLERANCE = { atol: 1e-6, rtol: 2e-6 };

export const CONV2D_BRANCHES_OP: AnyOpRow = opRow<Attributes>({
  name: 'conv2d_branches',
  formula: 'y = concat_c(f(w₁ ⋆ x + b₁), f(w₂ ⋆ x + b₂), …)',
  samples: (random) => [
    sample(random, [2, 16, 7, 7], [24, 20], { kernels: [1, 3], activation: RELU }),
    sample(random, [1, 8, 4, 8], [16, 16], { kernels: [1, 3], activation: RELU }),
    sample(random, [2, 3, 5, 6], [2, 5, 3], { kernels: [3, 1, 3], activation: NONE }),
  ],
  run: ([x, ...rest], { kernels, activation }) =>
    conv2dBranches(
      x,
      kernels.map((kernel, branch) => ({
        weight: rest[2 * branch],
        bias: rest[2 * branch + 1],
        padding: (kernel - 1) / 2,
      })),
      activation,
    ),
  forward,
  backward,
  halves: [0],
  tolerance: { forward: TOLERANCE, backward: TOLERANCE },
});

import fc from 'fast-check';
import { convExtent, type PaddingMode } from '../../kernels/conv2d/geometry.ts';
import { convTranspose2d } from '../../src/autograd/ops/conv-transpose2d.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import {
  conv2dBackwardReference,
  conv2dForwardReference,
  convTranspose2dBackwardReference,
  convTranspose2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { randomArray } from '../../src/autograd/registry/row.ts';
import { type AnyProperty, property } from './property.ts';

/** What decides the code of a kernel; the other sizes are constants of one pipeline. */
interface Window {
  readonly stride: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly padding: number;
  readonly paddingMode: PaddingMode;
  readonly outputPadding: number;
}

interface Case extends Window {
  readonly batch: number;
  readonly channels: number;
  readonly outChannels: number;
  readonly height: number;
  readonly width: number;
  readonly bias: boolean;
  readonly activation: 'none' | 'relu' | 'tanh';
  /** Weights for so many channels more than there are. */
  readonly extraChannels: number;
}

const window = (
  stride: number,
  [kernelHeight, kernelWidth]: readonly [number, number],
  padding: number,
  paddingMode: PaddingMode = 'zeros',
  outputPadding = 0,
): Window => ({ stride, kernelHeight, kernelWidth, padding, paddingMode, outputPadding });

/** Few, since each costs compilations: those of the networks, and some odd ones. */
const FEW = [
  window(2, [4, 4], 1),
  window(1, [3, 3], 1),
  window(1, [4, 4], 1, 'reflect'),
  // Images no larger than the padding, though the kernel fits.
  window(1, [3, 3], 2, 'reflect'),
  window(3, [5, 2], 4),
];
const FEW_TRANSPOSED = [window(2, [4, 4], 1), window(3, [2, 5], 2, 'zeros', 2)];

/** Mostly what networks have, sometimes just beyond the end of a tile. */
const channels = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) },
  fc.constantFrom(16, 17, 33),
);

function cases(windows: fc.Arbitrary<Window>): fc.Arbitrary<Case> {
  const sizes = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    channels,
    outChannels: channels,
    height: fc.integer({ min: 1, max: 13 }),
    width: fc.integer({ min: 1, max: 13 }),
    bias: fc.boolean(),
    activation: fc.constantFrom('none', 'relu', 'tanh'),
    extraChannels: fc.oneof({ weight: 15, arbitrary: fc.constant(0) }, fc.constantFrom(-1, 1)),
  });
  return fc
    .tuple(sizes, windows)
    .map(([size, one]) => ({ ...size, ...one }) as Case)
    .filter(
      ({ channels, outChannels, extraChannels }) =>
        Math.min(channels, outChannels) + extraChannels > 0,
    );
}

const anyWindow = fc.record({
  stride: fc.integer({ min: 1, max: 4 }),
  kernelHeight: fc.integer({ min: 1, max: 7 }),
  kernelWidth: fc.integer({ min: 1, max: 7 }),
  padding: fc.integer({ min: 0, max: 8 }),
  paddingMode: fc.constantFrom<PaddingMode>('zeros', 'reflect'),
  outputPadding: fc.integer({ min: 0, max: 4 }),
});

const edge = (size: readonly [number, number], one: Window): Case => ({
  batch: 1,
  channels: 2,
  outChannels: 3,
  height: size[0],
  width: size[1],
  bias: true,
  activation: 'none',
  extraChannels: 0,
  ...one,
});

/** On either side of what is refused. */
const EDGES = [
  // Reflection reaches past an image of two rows, not past one of three.
  edge([2, 7], window(1, [3, 3], 2, 'reflect')),
  edge([7, 2], window(1, [3, 3], 2, 'reflect')),
  edge([3, 3], window(1, [3, 3], 2, 'reflect')),
  // A kernel as large as the padded image, and larger.
  edge([1, 2], window(2, [3, 4], 1)),
  edge([1, 2], window(2, [4, 4], 1)),
  edge([1, 1], window(2, [4, 4], 1)),
  // A margin that makes three times as many outputs as there are pixels: as many terms has a weight's gradient.
  {
    ...edge([10, 10], window(1, [7, 1], 6, 'reflect')),
    batch: 3,
    channels: 8,
    outChannels: 33,
    bias: false,
  },
];

/** One pixel of output, and none. */
const TRANSPOSED_EDGES = [
  edge([1, 1], window(2, [3, 4], 1)),
  edge([1, 1], window(2, [2, 4], 1)),
  edge([1, 2], window(3, [2, 5], 2, 'zeros', 3)),
];

const attributesOf = ({ stride, padding, paddingMode, outputPadding, activation }: Case) => ({
  stride,
  padding,
  paddingMode,
  outputPadding,
  activation: { kind: activation },
});

function convolution(windows: fc.Arbitrary<Window>): AnyProperty {
  return property<Case>({
    name: 'conv2d',
    always: EDGES,
    arbitrary: cases(windows),
    make: (one, random) => {
      const { stride, padding, kernelHeight, kernelWidth, height, width, extraChannels } = one;
      const attributes = attributesOf(one);
      const taps = one.channels * kernelHeight * kernelWidth;
      const x = randomArray(random, [one.batch, one.channels, height, width]);
      const shape = [one.outChannels, one.channels + extraChannels, kernelHeight, kernelWidth];
      const inputs = [x, randomArray(random, shape, taps ** -0.5)];
      if (one.bias) inputs.push(randomArray(random, [one.outChannels]));
      const reaches = one.paddingMode === 'zeros' || padding < Math.min(height, width);
      const fits = kernelHeight <= height + 2 * padding && kernelWidth <= width + 2 * padding;
      const outputs = Math.max(
        0,
        convExtent(height, kernelHeight, stride, padding) *
          convExtent(width, kernelWidth, stride, padding),
      );
      return {
        row: 'conv2d',
        inputs,
        isValid: extraChannels === 0 && reaches && fits,
        run: ([image, weight, bias]) => conv2d(image, weight, bias, attributes),
        forward: (arrays) => conv2dForwardReference(arrays, attributes),
        backward: (arrays, dy) => conv2dBackwardReference(arrays, attributes, dy),
        reduction: {
          forward: taps,
          backward:
            one.outChannels * kernelHeight * kernelWidth +
            one.batch * Math.max(height * width * stride, outputs),
        },
        cancels: 'both',
      };
    },
  });
}

function transposed(windows: fc.Arbitrary<Window>): AnyProperty {
  return property<Case>({
    name: 'convTranspose2d',
    always: TRANSPOSED_EDGES,
    arbitrary: cases(windows).map((one): Case => ({ ...one, paddingMode: 'zeros' })),
    make: (one, random) => {
      const { stride, padding, kernelHeight, kernelWidth, height, width, extraChannels } = one;
      const attributes = attributesOf(one);
      const taps = one.channels * kernelHeight * kernelWidth;
      const x = randomArray(random, [one.batch, one.channels, height, width]);
      const shape = [one.channels + extraChannels, one.outChannels, kernelHeight, kernelWidth];
      const inputs = [x, randomArray(random, shape, taps ** -0.5)];
      if (one.bias) inputs.push(randomArray(random, [one.outChannels]));
      const extent = (size: number, kernel: number): number =>
        (size - 1) * stride - 2 * padding + kernel + one.outputPadding;
      const isLeft = extent(height, kernelHeight) > 0 && extent(width, kernelWidth) > 0;
      return {
        row: 'convTranspose2d',
        inputs,
        isValid: extraChannels === 0 && one.outputPadding < stride && isLeft,
        run: ([image, weight, bias]) => convTranspose2d(image, weight, bias, attributes),
        forward: (arrays) => convTranspose2dForwardReference(arrays, attributes),
        backward: (arrays, dy) => convTranspose2dBackwardReference(arrays, attributes, dy),
        reduction: {
          forward: taps,
          backward: one.outChannels * kernelHeight * kernelWidth + x.data.length * stride * stride,
        },
        cancels: 'both',
      };
    },
  });
}

/** Windows that need few compilations. */
export const QUICK_CONVOLUTIONS: readonly AnyProperty[] = [
  convolution(fc.constantFrom(...FEW)),
  transposed(fc.constantFrom(...FEW_TRANSPOSED)),
];

/** Any window: every other case compiles something. */
export const ALL_CONVOLUTIONS: readonly AnyProperty[] = [
  convolution(anyWindow),
  transposed(anyWindow),
];

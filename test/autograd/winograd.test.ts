import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Activation, NONE } from '../../kernels/activation.ts';
import type { Correlation } from '../../kernels/conv2d/correlation-spec.ts';
import { directPlan } from '../../kernels/conv2d/direct.ts';
import type { ChannelSlice, PaddingMode } from '../../kernels/conv2d/geometry.ts';
import { directWeightGradient } from '../../kernels/conv2d/weight-gradient.ts';
import { winogradPlan } from '../../kernels/conv2d/winograd/plan.ts';
import {
  allowsWinograd,
  prefersWinograd,
  prefersWinogradWeightGradient,
} from '../../kernels/conv2d/winograd/prefers.ts';
import { winogradWeightGradient } from '../../kernels/conv2d/winograd/weight-gradient.ts';
import type { AdapterProfile, Plan } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import {
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { type HostArray, hostArray, randomArray } from '../../src/autograd/registry/row.ts';
import { sizeOf } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { errorsOf } from '../support/convolution-outcomes.ts';

const suite = createSuite('winograd');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

interface Case {
  readonly image: readonly [number, number, number, number];
  readonly rows: number;
  readonly padding: number;
  readonly mode?: PaddingMode;
  readonly isAdjoint?: boolean;
  readonly bias?: boolean;
  readonly activation?: Activation;
  readonly imageSlice?: ChannelSlice;
  readonly outputSlice?: ChannelSlice;
  readonly accumulate?: boolean;
  /** Of tiles worked on together; default as for layers. */
  readonly chunkBytes?: number;
}

function specOf({
  image,
  rows,
  padding,
  mode = 'zeros',
  bias = false,
  activation = NONE,
  ...rest
}: Case): Correlation {
  const [batch, channels, height, width] = image;
  return {
    batch,
    channels,
    rows,
    height,
    width,
    mode,
    stride: 1,
    tapsY: 3,
    tapsX: 3,
    offsetsY: [-padding],
    offsetsX: [-padding],
    outHeight: height + 2 * padding - 2,
    outWidth: width + 2 * padding - 2,
    imageSlice: rest.imageSlice,
    outputSlice: rest.outputSlice,
    accumulate: rest.accumulate,
    bias,
    activation,
  };
}

/** Weights of the correlation as the tensor [O,C,3,3] of the convolution whose data gradient it is. */
function adjointWeights(weight: HostArray): HostArray {
  const [rows, channels] = weight.shape;
  const result = hostArray([channels, rows, 3, 3]);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < channels; c++) {
      for (let t = 0; t < 9; t++) {
        result.data[(c * rows + r) * 9 + 8 - t] = weight.data[(r * channels + c) * 9 + t];
      }
    }
  }
  return result;
}

/** Copies `[N,C,H,W]` to channels of `[N,slice.channels,H,W]`. */
function intoSlice(part: HostArray, whole: HostArray, slice: ChannelSlice): void {
  const [batch, channels, height, width] = part.shape;
  const length = channels * height * width;
  for (let n = 0; n < batch; n++) {
    const to = (n * slice.channels + slice.first) * height * width;
    whole.data.set(part.data.subarray(n * length, (n + 1) * length), to);
  }
}

/** Copies channels of `[N,slice.channels,H,W]` to `[N,C,H,W]`. */
function outOfSlice(whole: HostArray, part: HostArray, slice: ChannelSlice): void {
  const [batch, channels, height, width] = part.shape;
  const length = channels * height * width;
  for (let n = 0; n < batch; n++) {
    const start = (n * slice.channels + slice.first) * height * width;
    part.data.set(whole.data.subarray(start, start + length), n * length);
  }
}

interface Outcome {
  readonly found: Float32Array;
  readonly expected: Float64Array;
}

async function outcome(
  each: Case,
  random: RandomStream,
  planOf: (spec: Correlation) => Plan = (spec) =>
    winogradPlan(spec, each.isAdjoint ?? false, gpu.profile, each.chunkBytes),
): Promise<Outcome> {
  const spec = specOf(each);
  const { batch, channels, rows, outHeight, outWidth, activation, imageSlice, outputSlice } = spec;
  const image = randomArray(random, each.image);
  const weight = randomArray(random, [rows, channels, 3, 3], (9 * channels) ** -0.5);
  const bias = randomArray(random, [rows]);
  const { mode, padding } = { mode: 'zeros' as const, ...each };
  const attributes = { stride: 1, padding, paddingMode: mode, outputPadding: 0, activation };
  const y = conv2dForwardReference(spec.bias ? [image, weight, bias] : [image, weight], attributes);
  const seen = imageSlice
    ? randomArray(random, [batch, imageSlice.channels, spec.height, spec.width])
    : image;
  if (imageSlice) intoSlice(image, seen, imageSlice);
  const before = randomArray(random, [batch, outputSlice?.channels ?? rows, outHeight, outWidth]);
  const expected = hostArray(before.shape, before.data);
  const outSlice = outputSlice ?? { first: 0, channels: rows };
  if (each.accumulate) {
    const held = hostArray(y.shape);
    outOfSlice(before, held, outSlice);
    for (let i = 0; i < held.data.length; i++) y.data[i] += held.data[i];
  }
  intoSlice(y, expected, outSlice);
  const inputs = [seen, each.isAdjoint ? adjointWeights(weight) : weight, bias];
  const storages = inputs.map(({ data }) => gpu.upload(Float32Array.from(data)));
  const output = gpu.upload(Float32Array.from(before.data));
  gpu.runPlan(planOf(spec), storages, [output]);
  const found = new Float32Array(await gpu.read(output, sizeOf(before.shape)));
  for (const storage of [...storages, output]) gpu.dispose(storage);
  return { found, expected: expected.data };
}

const RELU: Activation = { kind: 'relu' };
const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };

const CASES: readonly Case[] = [
  { image: [1, 4, 4, 4], rows: 4, padding: 1 },
  { image: [2, 8, 12, 20], rows: 16, padding: 1, bias: true, activation: RELU },
  { image: [3, 12, 7, 9], rows: 20, padding: 1, bias: true, activation: LEAKY },
  { image: [2, 8, 8, 8], rows: 36, padding: 0, bias: true },
  { image: [1, 8, 9, 10], rows: 12, padding: 2 },
  { image: [1, 4, 3, 30], rows: 8, padding: 4 },
  { image: [2, 4, 1, 1], rows: 4, padding: 1 },
  { image: [2, 8, 8, 16], rows: 8, padding: 1, mode: 'reflect' },
  { image: [1, 8, 13, 11], rows: 8, padding: 1, mode: 'reflect', bias: true, activation: RELU },
  { image: [1, 4, 6, 8], rows: 4, padding: 3, mode: 'reflect' },
  { image: [2, 12, 10, 8], rows: 20, padding: 1, isAdjoint: true },
  { image: [1, 8, 7, 6], rows: 4, padding: 2, isAdjoint: true, accumulate: true },
  { image: [2, 8, 8, 8], rows: 4, padding: 1, outputSlice: { first: 3, channels: 9 } },
  { image: [2, 4, 6, 7], rows: 8, padding: 1, imageSlice: { first: 5, channels: 11 } },
  {
    image: [2, 4, 8, 12],
    rows: 8,
    padding: 1,
    imageSlice: { first: 1, channels: 6 },
    outputSlice: { first: 2, channels: 10 },
    accumulate: true,
    bias: true,
  },
  // Channels and rows that are no multiples of four.
  { image: [2, 5, 9, 7], rows: 6, padding: 1, bias: true },
  { image: [3, 7, 13, 12], rows: 17, padding: 1, isAdjoint: true, accumulate: true },
  {
    image: [2, 5, 18, 17],
    rows: 19,
    padding: 1,
    mode: 'reflect',
    imageSlice: { first: 2, channels: 7 },
    outputSlice: { first: 1, channels: 21 },
  },
  // More than one chunk of tiles.
  { image: [3, 16, 20, 24], rows: 8, padding: 1, chunkBytes: 2e5 },
];

suite('every way of padding, slicing and finishing agrees with the reference', async () => {
  const random = new RandomStream(5, 'winograd');
  for (const each of CASES) {
    const spec = specOf(each);
    if (!allowsWinograd(spec, gpu.profile)) {
      // The kernels are for CPU adapters alone.
      assert.is.not(gpu.profile.kind === 'cpu' && gpu.profile.subgroupSize === 8, true);
      continue;
    }
    const { largest } = errorsOf(await outcome(each, random));
    assert.ok(largest < 2e-5, `${JSON.stringify(each)}: error ${largest}`);
  }
});

interface GradientCase extends Case {
  /** Whether the gradient is added to what its tensor holds. */
  readonly isAdded?: boolean;
}

async function weightGradient(
  each: GradientCase,
  random: RandomStream,
  planOf: (spec: Correlation) => Plan = (spec) =>
    winogradWeightGradient(spec, each.isAdded ?? false, gpu.profile, each.chunkBytes),
): Promise<Outcome> {
  const spec = specOf(each);
  const { batch, channels, rows, outHeight, outWidth, activation } = spec;
  const { mode, padding, isAdded = false } = { mode: 'zeros' as const, ...each };
  const attributes = { stride: 1, padding, paddingMode: mode, outputPadding: 0, activation };
  const image = randomArray(random, each.image);
  const cotangent = randomArray(random, [batch, rows, outHeight, outWidth]);
  const before = randomArray(random, [rows, channels, 3, 3]);
  const weight = hostArray(before.shape);
  const [, expected] = conv2dBackwardReference([image, weight], attributes, cotangent);
  if (isAdded)
    before.data.forEach((value, i) => {
      expected.data[i] += value;
    });
  const storages = [image, cotangent].map(({ data }) => gpu.upload(Float32Array.from(data)));
  const output = gpu.upload(Float32Array.from(before.data));
  gpu.runPlan(planOf(spec), storages, [output]);
  const found = new Float32Array(await gpu.read(output, sizeOf(before.shape)));
  for (const storage of [...storages, output]) gpu.dispose(storage);
  return { found, expected: expected.data };
}

const GRADIENTS: readonly GradientCase[] = [
  { image: [1, 4, 4, 4], rows: 4, padding: 1 },
  { image: [2, 20, 12, 20], rows: 16, padding: 1 },
  { image: [3, 12, 7, 9], rows: 36, padding: 1, isAdded: true },
  { image: [1, 8, 10, 9], rows: 12, padding: 0 },
  { image: [1, 8, 5, 6], rows: 4, padding: 2, isAdded: true },
  { image: [2, 8, 13, 16], rows: 8, padding: 1, mode: 'reflect' },
  // Channels and rows that are no multiples of four.
  { image: [2, 8, 9, 7], rows: 6, padding: 1 },
  { image: [2, 5, 9, 7], rows: 8, padding: 1, isAdded: true },
  { image: [1, 39, 10, 13], rows: 17, padding: 1 },
  // More than one chunk of tiles.
  { image: [3, 16, 20, 24], rows: 8, padding: 1, chunkBytes: 2e5 },
];

suite('weight gradients agree with the reference', async () => {
  const random = new RandomStream(7, 'winograd');
  for (const each of GRADIENTS) {
    if (!allowsWinograd(specOf(each), gpu.profile)) continue;
    const { largest } = errorsOf(await weightGradient(each, random));
    assert.ok(largest < 2e-5, `${JSON.stringify(each)}: error ${largest}`);
  }
});

/*
 * Bounds of the rounding error relative to the root mean square of the result, and of how many times the
 * direct kernel's it may be; normal pixels and weights. About 1.5 times what lavapipe and SwiftShader showed:
 * `docs/kernels.md` has the figures.
 */
const SUMS = [
  { channels: 64, largest: 8e-6, typical: 1.3e-6 },
  { channels: 256, largest: 1.3e-5, typical: 2.4e-6 },
  { channels: 512, largest: 2.2e-5, typical: 3.5e-6 },
] as const;
const GRADIENT_SUMS = [
  { size: 16, largest: 7e-6, typical: 1.5e-6 },
  { size: 64, largest: 1.6e-5, typical: 3e-6 },
] as const;
/** Typical error over the direct kernel's. */
const RATIO = 3;

interface Bounds {
  readonly largest: number;
  readonly typical: number;
}

function checkErrors(label: string, bounds: Bounds, winograd: Outcome, direct: Outcome): void {
  const [found, plain] = [winograd, direct].map(errorsOf);
  const shown = ({ largest, typical }: Bounds): string =>
    `largest ${largest.toExponential(1)}, rms ${typical.toExponential(1)}`;
  const text = `${label}: ${shown(found)}; direct ${shown(plain)}`;
  if (process.env.SHOW_ERRORS) process.stdout.write(`${text}\n`);
  assert.ok(found.largest < bounds.largest && found.typical < bounds.typical, text);
  assert.ok(found.typical < RATIO * plain.typical, text);
}

suite('rounding errors stay within their bounds', async () => {
  const direct = (spec: Correlation): Plan =>
    directPlan(spec, { kernelHeight: 3, kernelWidth: 3 }, gpu.profile);
  for (const { channels, ...bounds } of SUMS) {
    const each: Case = { image: [1, channels, 16, 16], rows: 16, padding: 1 };
    if (!allowsWinograd(specOf(each), gpu.profile)) continue;
    const random = () => new RandomStream(6, 'winograd');
    const found = await outcome(each, random());
    checkErrors(`${channels} channels`, bounds, found, await outcome(each, random(), direct));
  }
});

suite('rounding errors of weight gradients stay within their bounds', async () => {
  for (const { size, ...bounds } of GRADIENT_SUMS) {
    const each: Case = { image: [2, 8, size, size], rows: 8, padding: 1 };
    if (!allowsWinograd(specOf(each), gpu.profile)) continue;
    const [batch, inChannels, height, width] = each.image;
    const sizes = { batch, inChannels, height, width, outChannels: 8, padding: 1 };
    const taps = { kernelHeight: 3, kernelWidth: 3, stride: 1, paddingMode: 'zeros' } as const;
    const direct = (): Plan => directWeightGradient({ ...sizes, ...taps }, false, gpu.profile);
    const random = () => new RandomStream(6, 'winograd');
    const found = await weightGradient(each, random());
    const plain = await weightGradient(each, random(), direct);
    checkErrors(`gradient, 2x${size}x${size} pixels`, bounds, found, plain);
  }
});

suite('layers are given to Winograd where it pays, and nowhere else', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const prefers = (
    each: Case,
    profile = lavapipe,
    change: Partial<Correlation> = {},
  ): boolean[] => {
    const spec = { ...specOf(each), ...change };
    return [prefersWinograd(spec, profile), prefersWinogradWeightGradient(spec, profile)];
  };
  const vgg: Case = { image: [1, 64, 64, 64], rows: 64, padding: 1 };
  assert.equal(prefers(vgg), [true, true]);
  assert.equal(prefers({ ...vgg, image: [1, 256, 64, 64], rows: 256 }), [true, true], 'ResNet');
  assert.equal(prefers({ ...vgg, image: [1, 64, 8, 8] }), [false, false], 'few tiles');
  assert.equal(prefers({ ...vgg, image: [1, 8, 64, 64], rows: 8 }), [false, false], 'few channels');
  assert.equal(prefers({ ...vgg, image: [4, 3, 64, 64] }), [false, false], 'three channels');
  const ragged: Case = { ...vgg, image: [1, 37, 61, 45], rows: 50 };
  assert.equal(prefers(ragged), [true, false], 'blocks of rows and lanes half empty');
  assert.is(prefers({ ...vgg, image: [1, 100, 30, 30], rows: 70 })[1], true, 'not in fours');
  assert.equal(prefers(vgg, { ...lavapipe, kind: 'gpu' }), [false, false], 'GPU');
  assert.equal(prefers(vgg, { ...lavapipe, subgroupSize: 0 }), [false, false], 'no subgroups');
  assert.equal(prefers(vgg, lavapipe, { stride: 2 }), [false, false], 'stride 2');
  assert.equal(prefers(vgg, lavapipe, { tapsX: 4 }), [false, false], '3×4 taps');

  // SwiftShader gains more: measured 2.2 and 1.9 here, 1.2 and 0.7 there.
  const swiftShader = { ...lavapipe, subgroupSize: 4 };
  const small: Case = { ...vgg, image: [4, 64, 8, 8] };
  assert.equal(prefers(small), [false, false]);
  assert.equal(prefers(small, swiftShader), [true, true]);
  const few: Case = { ...vgg, image: [1, 128, 8, 8], rows: 128 };
  assert.equal(prefers(few), [false, false]);
  assert.equal(prefers(few, swiftShader), [true, false]);
  // What is transformed once costs nothing: a layer of SqueezeNet, measured 1.6 and 2.3.
  const squeeze = specOf({ image: [8, 32, 7, 7], rows: 128, padding: 1 });
  assert.is(prefersWinograd(squeeze, lavapipe), false);
  assert.is(prefersWinograd(squeeze, lavapipe, 3, true), true);
  // 16 tiles, half a block of them; measured 3.0.
  const tail = specOf({ image: [1, 512, 16, 16], rows: 512, padding: 1 });
  assert.is(prefersWinograd(tail, lavapipe, 3, true), true);
});

suite.run();

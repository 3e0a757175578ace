import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import { Parameter } from '../../src/autograd/parameter.ts';
import {
  CONVOLUTION_OPS,
  type ConvolutionCase,
  convolutionRows,
} from '../../src/autograd/registry/convolution.ts';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import { openAsGpu } from '../support/gpu-variants.ts';
import { testKernels } from './check-rows.ts';

/*
 * The variants for GPUs against the f64 references: the registry's samples, which need the tiles for
 * few rows, and samples for the larger tiles, with whole and ragged steps, cut and uncut sums.
 */

const CONVOLUTIONS: readonly ConvolutionCase[] = [
  // 64 × 128: sums cut into parts, whose epilogue is a kernel of its own.
  {
    image: [1, 32, 16, 16],
    kernel: [64, 3, 3],
    padding: 1,
    paddingMode: 'reflect',
    bias: true,
    activation: { kind: 'tanh' },
  },
  // 128 × 128, one tap a step; planes that are no multiple of 4; gradients of many channels.
  {
    image: [1, 16, 9, 9],
    kernel: [128, 3, 3],
    padding: 1,
    bias: true,
    activation: { kind: 'relu' },
  },
  // 128 × 128, steps across taps; reflection in all three kernels.
  { image: [2, 20, 12, 12], kernel: [128, 4, 4], stride: 2, padding: 1, paddingMode: 'reflect' },
  // Rows beyond a whole tile, a last layer's single channel, kernels larger than the image.
  { image: [1, 128, 5, 7], kernel: [1, 4, 4], padding: 1, paddingMode: 'reflect', bias: true },
  { image: [2, 70, 2, 3], kernel: [130, 7, 7], padding: 3 },
  { image: [1, 3, 5, 300], kernel: [20, 1, 1], activation: { kind: 'leaky_relu', slope: 0.2 } },
];

const TRANSPOSED: readonly ConvolutionCase[] = [
  { image: [1, 64, 9, 9], kernel: [128, 4, 4], stride: 2, padding: 1, bias: true },
  { image: [2, 66, 7, 5], kernel: [65, 3, 3], stride: 2, padding: 1, outputPadding: 1 },
];

const suite = createSuite('convolution on GPUs');
const gpu = await openAsGpu();
suite.after(() => gpu.close());

testKernels(suite, gpu, CONVOLUTION_OPS);
testKernels(suite, gpu, convolutionRows(CONVOLUTIONS, TRANSPOSED));

suite('weight gradients add up in parameters', async () => {
  const ramp = (length: number): Float32Array =>
    Float32Array.from({ length }, (_, i) => ((i * 7) % 11) - 5);
  const gradient = async (times: number): Promise<Float32Array> => {
    const weight = new Parameter(gpu, [5, 3, 3, 3], gpu.upload(ramp(135)), gpu.allocate(540), 'w');
    const x = tensorFrom(gpu, ramp(2 * 3 * 7 * 6), [2, 3, 7, 6]);
    const seed = tensorFrom(gpu, ramp(2 * 5 * 7 * 6), [2, 5, 7, 6]);
    for (let i = 0; i < times; i++) {
      backward(conv2d(x, weight, undefined, { padding: 1 }), [weight], seed);
    }
    return weight.gradient.tensor.read();
  };
  const once = await gradient(1);
  const thrice = await gradient(3);
  once.forEach((value, i) => {
    assert.is(thrice[i], 3 * value);
  });
  assert.ok(once.some((value) => value !== 0));
});

suite('NaN reaches what depends on it, and nothing else', async () => {
  const data = new Float32Array(36).fill(1);
  data[0] = Number.NaN;
  const x = tensorFrom(gpu, data, [1, 1, 6, 6]);
  const weight = tensorFrom(gpu, new Float32Array(18).fill(1), [2, 1, 3, 3]);
  for (const kind of ['none', 'relu', 'tanh', 'sigmoid'] as const) {
    const y = await conv2d(x, weight, undefined, { padding: 1, activation: { kind } }).read();
    y.forEach((value, i) => {
      const near = i % 6 < 2 && Math.floor(i / 6) % 6 < 2;
      assert.is(Number.isNaN(value), near, `${kind} ${i}`);
    });
  }
});

suite.run();

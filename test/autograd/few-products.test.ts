/** Correlations of few products for many rows against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { fewCut } from '../../kernels/conv2d/few-products.ts';
import { forwardCorrelation } from '../../kernels/conv2d/forward.ts';
import type { ConvolutionPass } from '../../kernels/conv2d/geometry.ts';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  errorsOf,
  geometryOf,
  type KernelCase,
  outcomes,
} from '../support/convolution-outcomes.ts';

const suite = createSuite('few products');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const POINT = { kernel: 1, stride: 1, padding: 0 };
const HALVING = { kernel: 4, stride: 2 };
const LEAKY = { kind: 'leaky_relu', slope: 0.2 } as const;

const FORWARD: readonly KernelCase[] = [
  { ...HALVING, image: [2, 1, 14, 18], rows: 21, bias: true, activation: LEAKY },
  { ...HALVING, image: [2, 1, 16, 24], rows: 16, reflect: true, slice: { first: 2, channels: 19 } },
  { image: [1, 4, 6, 5], rows: 24, kernel: 2, stride: 1, padding: 0 },
  { ...POINT, image: [2, 16, 7, 9], rows: 40, bias: true, activation: LEAKY },
  { ...POINT, image: [2, 3, 1, 3], rows: 27, slice: { first: 1, channels: 30 } },
  // Enough outputs for two vec4s a lane, whole ones and ragged ones.
  { image: [1, 3, 46, 48], rows: 256, kernel: 3, stride: 1, reflect: true, bias: true },
  { ...HALVING, image: [2, 2, 61, 67], rows: 257, bias: true, activation: LEAKY },
  // More products than are loaded at once: a vec4 a lane and two, channels in blocks of four and of one.
  { ...POINT, image: [1, 64, 5, 7], rows: 256, bias: true, activation: LEAKY },
  { ...POINT, image: [2, 48, 15, 15], rows: 192, slice: { first: 1, channels: 200 } },
  { ...POINT, image: [2, 49, 9, 11], rows: 131 },
  { ...HALVING, image: [2, 3, 21, 27], rows: 130, reflect: true, bias: true },
];

const DATA: readonly KernelCase[] = [
  { ...POINT, image: [2, 36, 5, 7], rows: 16, accumulate: true, slice: { first: 4, channels: 22 } },
  // A gradient of zeros around, onto one channel.
  { image: [1, 19, 6, 9], rows: 1, kernel: 4, stride: 1 },
  { ...POINT, image: [2, 512, 7, 7], rows: 64, accumulate: true },
];

suite('forward passes and data gradients agree with the reference', async () => {
  const random = new RandomStream(23, 'few-products');
  const check = async (each: KernelCase, pass: ConvolutionPass): Promise<void> => {
    const [outcome] = await outcomes(gpu, each, random, 'direct', [pass]);
    const { largest } = errorsOf(outcome);
    assert.ok(largest < 4e-6, `${JSON.stringify(each)} ${pass}: error ${largest}`);
  };
  for (const each of FORWARD) await check(each, 'forward');
  for (const each of DATA) await check(each, 'data-gradient');
});

suite('they are known by their products, rows and adapter', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const layer: KernelCase = { ...HALVING, image: [1, 1, 256, 256], rows: 64 };
  const check = (change: Partial<KernelCase>, profile = lavapipe): boolean =>
    fewCut(forwardCorrelation(geometryOf({ ...layer, ...change }), NO_EPILOGUE), profile) !==
    undefined;
  assert.ok(check({}));
  assert.ok(check({ ...POINT, image: [1, 16, 63, 63] }));
  assert.ok(check({ image: [1, 2, 256, 256] }), '32 products');
  assert.ok(check({ ...POINT, image: [1, 64, 15, 15], rows: 256 }), '64 products');
  assert.not(check({ ...POINT, image: [1, 65, 63, 63], rows: 256 }), '65 products');
  assert.not(check({ ...POINT, image: [1, 64, 3, 3], rows: 256 }), 'too few pixels to share rows');
  assert.ok(check({ ...POINT, image: [1, 32, 3, 3], rows: 256 }), 'few pixels, products at once');
  assert.not(check({ rows: 15 }), 'few rows');
  assert.not(check({ image: [1, 2, 256, 256], rows: 31 }), 'fewer rows than products');
  assert.not(check({}, { ...lavapipe, kind: 'gpu' }), 'GPU');
  assert.not(check({}, { ...lavapipe, subgroupSize: 0 }), 'no subgroups');
});

suite.run();

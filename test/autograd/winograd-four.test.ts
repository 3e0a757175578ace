/** Minimal filtering of 4×4 kernels, at strides 1 and 2: all three passes against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Activation } from '../../kernels/activation.ts';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { forwardCorrelation } from '../../kernels/conv2d/forward.ts';
import type { ConvGeometry } from '../../kernels/conv2d/geometry.ts';
import { type RegisterVariant, registerVariants } from '../../kernels/conv2d/register-variants.ts';
import { allowsWinograd } from '../../kernels/conv2d/winograd/prefers.ts';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  errorsOf,
  geometryOf,
  type KernelCase,
  outcomes,
} from '../support/convolution-outcomes.ts';

const suite = createSuite('winograd of 4×4 kernels');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

type Case = Omit<KernelCase, 'kernel'>;

const withTaps = (each: Case): KernelCase => ({ ...each, kernel: 4 });

const isOnAdapter = (each: Case): boolean =>
  allowsWinograd(forwardCorrelation(geometryOf(withTaps(each)), NO_EPILOGUE), gpu.profile);

const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };

const CASES: readonly Case[] = [
  { image: [1, 4, 8, 8], rows: 4, stride: 2 },
  { image: [2, 8, 12, 16], rows: 12, stride: 2, bias: true, activation: LEAKY },
  { image: [1, 12, 10, 14], rows: 20, stride: 2, accumulate: true },
  { image: [1, 4, 9, 11], rows: 8, stride: 2, reflect: true },
  { image: [2, 8, 16, 24], rows: 4, stride: 2, reflect: true, bias: true, accumulate: true },
  { image: [1, 4, 12, 8], rows: 4, stride: 2, padding: 0 },
  { image: [1, 4, 7, 6], rows: 4, stride: 2, padding: 2, accumulate: true },
  { image: [1, 4, 12, 12], rows: 8, stride: 2, padding: 3 },
  { image: [2, 4, 8, 12], rows: 8, stride: 2, slice: { first: 3, channels: 12 } },
  // Several blocks of tiles, and more than one chunk of them.
  { image: [3, 64, 40, 36], rows: 36, stride: 2, bias: true },
  { image: [1, 4, 8, 8], rows: 4, stride: 1 },
  { image: [2, 8, 11, 13], rows: 12, stride: 1, reflect: true, bias: true, activation: LEAKY },
  { image: [1, 8, 6, 9], rows: 20, stride: 1, padding: 2, accumulate: true },
  { image: [2, 4, 9, 8], rows: 8, stride: 1, slice: { first: 1, channels: 10 } },
  // Channels or rows that are no multiples of four.
  { image: [2, 5, 11, 9], rows: 7, stride: 2, bias: true },
  {
    image: [1, 19, 33, 41],
    rows: 21,
    stride: 2,
    accumulate: true,
    slice: { first: 2, channels: 24 },
  },
  { image: [2, 5, 11, 13], rows: 6, stride: 1, reflect: true },
];

suite('every way of padding, slicing and finishing agrees with the reference', async () => {
  const random = new RandomStream(11, 'winograd');
  const check = async (each: Case): Promise<void> => {
    for (const outcome of await outcomes(gpu, withTaps(each), random, 'winograd')) {
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-5, `${JSON.stringify(each)} ${outcome.pass}: error ${largest}`);
    }
  };
  for (const each of CASES.filter(isOnAdapter)) await check(each);
  assert.ok(isOnAdapter(CASES[0]) || gpu.profile.kind === 'gpu' || !gpu.profile.subgroupSize);
});

/*
 * Bounds of the rounding error relative to the root mean square of the result; normal pixels and weights.
 * About 1.5 times what lavapipe and SwiftShader showed: `docs/kernels.md` has the figures.
 */
const BOUNDS = [
  { stride: 2, channels: 64, largest: 7e-6, typical: 1.5e-6 },
  { stride: 2, channels: 256, largest: 1.3e-5, typical: 2.6e-6 },
  { stride: 1, channels: 64, largest: 2.7e-5, typical: 3.6e-6 },
  { stride: 1, channels: 256, largest: 5.6e-5, typical: 6e-6 },
] as const;

suite('rounding errors stay within their bounds', async () => {
  for (const { stride, channels, ...bounds } of BOUNDS) {
    const each: Case = { image: [1, channels, 16, 16], rows: 16, stride };
    if (!isOnAdapter(each)) continue;
    const errors = async (variant: RegisterVariant) => {
      const random = new RandomStream(12, 'winograd');
      return (await outcomes(gpu, withTaps(each), random, variant)).map((outcome) => ({
        pass: outcome.pass,
        ...errorsOf(outcome),
      }));
    };
    const [found, direct] = [await errors('winograd'), await errors('direct')];
    found.forEach(({ pass, largest, typical }, index) => {
      const shown = (value: { largest: number; typical: number }): string =>
        `largest ${value.largest.toExponential(1)}, rms ${value.typical.toExponential(1)}`;
      const text = `stride ${stride}, ${channels} channels, ${pass}: ${shown({ largest, typical })}; direct ${shown(direct[index])}`;
      if (process.env.SHOW_ERRORS) process.stdout.write(`${text}\n`);
      assert.ok(largest < bounds.largest && typical < bounds.typical, text);
    });
  }
});

suite('layers are given to Winograd where it pays, and nowhere else', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const chosen = (each: Case, change: Partial<ConvGeometry> = {}, profile = lavapipe): string => {
    const g = { ...geometryOf(withTaps(each)), ...change };
    const spec = forwardCorrelation(g, NO_EPILOGUE);
    return registerVariants('forward', spec, g, profile)[0];
  };
  const layer: Case = { image: [1, 64, 128, 128], rows: 128, stride: 2 };
  assert.is(chosen(layer), 'winograd', 'U-Net');
  assert.is(chosen({ image: [1, 256, 32, 32], rows: 512, stride: 1, reflect: true }), 'winograd');
  assert.is(chosen({ image: [1, 512, 16, 16], rows: 512, stride: 2 }), 'direct', 'few tiles');
  assert.is(chosen({ image: [4, 8, 64, 64], rows: 16, stride: 2 }), 'direct', 'few channels');
  assert.is(chosen({ ...layer, rows: 126 }), 'winograd', 'rows not in fours');
  const ragged = geometryOf(withTaps({ ...layer, rows: 126 }));
  const forward = forwardCorrelation(ragged, NO_EPILOGUE);
  const ways = registerVariants('weight-gradient', forward, ragged, lavapipe);
  assert.is(ways[0], 'winograd', 'gradients of rows not in fours');
  assert.is(chosen(layer, { kernelWidth: 3 }), 'direct', '4×3 taps');
  assert.is(chosen(layer, { stride: 3 }), 'direct', 'stride 3');
  assert.is(chosen(layer, {}, { ...lavapipe, kind: 'gpu' }), 'direct', 'GPU');
});

suite.run();

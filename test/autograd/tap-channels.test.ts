/** Gradients of convolutions onto one channel against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import type { ConvolutionPass } from '../../kernels/conv2d/geometry.ts';
import { GRADIENT_WAYS } from '../../kernels/conv2d/gradient-ways.ts';
import { convolutionVariants } from '../../kernels/conv2d/variants.ts';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  errorsOf,
  geometryOf,
  type KernelCase,
  outcomes,
} from '../support/convolution-outcomes.ts';

const suite = createSuite('taps as channels');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const LAYER = { rows: 1, kernel: 4, stride: 1, reflect: true };

const CASES: readonly KernelCase[] = [
  { ...LAYER, image: [2, 32, 7, 9] },
  { ...LAYER, image: [1, 36, 6, 8], padding: 3, accumulate: true },
  { ...LAYER, image: [3, 37, 5, 4], slice: { first: 2, channels: 4 } },
  { ...LAYER, image: [1, 33, 2, 5], accumulate: true },
  { ...LAYER, image: [2, 32, 4, 13], kernel: 2, padding: 2 },
];

/** Weight gradients alone are made so with zeros around, too. */
const ZEROS: readonly KernelCase[] = [
  { ...LAYER, image: [2, 70, 5, 7], reflect: false },
  { ...LAYER, image: [5, 32, 6, 6], reflect: false, padding: 0, accumulate: true },
];

suite('margins of all kinds agree with the reference', async () => {
  const random = new RandomStream(17, 'tap-channels');
  if (gpu.profile.kind !== 'cpu') return;
  for (const each of [...CASES, ...ZEROS]) {
    // Weight gradients are not made of slices.
    const data = each.reflect ? (['data-gradient'] as const) : [];
    const weight = each.slice ? [] : (['weight-gradient'] as const);
    for (const outcome of await outcomes(gpu, each, random, 'tap-channels', [...data, ...weight])) {
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-6, `${JSON.stringify(each)} ${outcome.pass}: error ${largest}`);
    }
  }
});

suite('they are taken for the last layer of a discriminator, and for nothing else', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const ways = (
    change: Partial<KernelCase>,
    profile = lavapipe,
    pass: ConvolutionPass = 'data-gradient',
  ): readonly string[] => {
    const geometry = geometryOf({ ...LAYER, image: [1, 512, 31, 31], ...change });
    const request = { pass, geometry, epilogue: NO_EPILOGUE, gradients: GRADIENT_WAYS };
    return convolutionVariants(request, profile).map(({ name }) => name);
  };
  assert.is(ways({})[0], 'tap-channels');
  assert.is(ways({}, lavapipe, 'weight-gradient')[0], 'tap-channels');
  assert.is(ways({ reflect: false }, lavapipe, 'weight-gradient')[0], 'tap-channels');
  assert.not(ways({}, lavapipe, 'forward').includes('tap-channels'), 'forward');
  assert.is(ways({ image: [1, 32, 8, 8] })[0], 'direct', 'few products');
  assert.not(ways({ rows: 2 }).includes('tap-channels'), 'two channels');
  assert.not(ways({ reflect: false }).includes('tap-channels'), 'zeros around');
  assert.not(ways({ stride: 2 }).includes('tap-channels'), 'stride 2');
  assert.not(ways({ kernel: 3 }).includes('tap-channels'), 'taps not in fours');
  assert.not(ways({}, { ...lavapipe, kind: 'gpu' }).includes('tap-channels'), 'GPU');
});

suite('a gradient is refused without the ways to make it', () => {
  const geometry = geometryOf({ ...LAYER, image: [1, 32, 8, 8], reflect: true });
  const request = { geometry, epilogue: NO_EPILOGUE };
  for (const pass of ['data-gradient', 'weight-gradient'] as const) {
    assert.throws(
      () => {
        for (const { plan } of convolutionVariants({ ...request, pass }, gpu.profile)) plan();
      },
      new RegExp(`a ${pass} .* without the ways`),
    );
  }
});

suite.run();

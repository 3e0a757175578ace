/** Kernels of 1×1 convolutions: forward pass and data gradient against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { forwardCorrelation } from '../../kernels/conv2d/forward.ts';
import { isPointwise } from '../../kernels/conv2d/pointwise.ts';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  errorsOf,
  geometryOf,
  type KernelCase,
  outcomes,
} from '../support/convolution-outcomes.ts';

const suite = createSuite('1×1 convolutions');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const POINT = { kernel: 1, stride: 1, padding: 0 };

const CASES: readonly KernelCase[] = [
  { ...POINT, image: [1, 4, 1, 1], rows: 4 },
  // Runs of pixels that cross images, planes shorter than a run.
  { ...POINT, image: [5, 8, 3, 3], rows: 12, bias: true },
  { ...POINT, image: [3, 24, 9, 7], rows: 20, accumulate: true },
  { ...POINT, image: [2, 20, 5, 13], rows: 36, slice: { first: 3, channels: 41 } },
  // Rows that are not in fours; one row.
  { ...POINT, image: [2, 20, 5, 7], rows: 27, bias: true },
  { ...POINT, image: [1, 12, 9, 9], rows: 1 },
  // Planes of whole vec4s.
  { ...POINT, image: [3, 20, 2, 6], rows: 20, accumulate: true },
  { ...POINT, image: [2, 20, 8, 8], rows: 4, bias: true, slice: { first: 1, channels: 6 } },
  // Several tiles a workgroup.
  {
    ...POINT,
    image: [2, 20, 63, 65],
    rows: 64,
    bias: true,
    activation: { kind: 'leaky_relu', slope: 0.2 },
  },
  { ...POINT, image: [1, 64, 64, 66], rows: 8, accumulate: true },
  // Images of more than a million elements, whose cache lines are touched first.
  { ...POINT, image: [2, 80, 79, 81], rows: 8 },
  { ...POINT, image: [3, 64, 72, 74], rows: 4, bias: true },
];

const isOnAdapter = (each: KernelCase, profile: AdapterProfile = gpu.profile): boolean =>
  isPointwise(forwardCorrelation(geometryOf(each), NO_EPILOGUE), profile);

suite('planes of all lengths agree with the reference', async () => {
  const random = new RandomStream(13, 'pointwise');
  for (const each of CASES.filter((one) => isOnAdapter(one))) {
    for (const outcome of await outcomes(gpu, each, random, 'direct', [
      'forward',
      'data-gradient',
    ])) {
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-6, `${JSON.stringify(each)} ${outcome.pass}: error ${largest}`);
    }
  }
  assert.ok(isOnAdapter(CASES[0]) || !gpu.profile.subgroupSize);
});

suite('other convolutions are left to other kernels', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const [, each] = CASES;
  const check = (change: Partial<KernelCase>, profile = lavapipe): boolean =>
    isOnAdapter({ ...each, ...change }, profile);
  assert.ok(check({}));
  assert.not(check({ image: [1, 6, 4, 4] }), 'channels not in fours');
  assert.not(check({ stride: 2 }));
  assert.not(check({ padding: 1 }));
  assert.not(check({ kernel: 3 }));
  assert.not(check({}, { ...lavapipe, subgroupSize: 0 }));
});

suite.run();

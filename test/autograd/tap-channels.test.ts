/** Data gradients of convolutions onto one channel against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { TAP_CHANNELS } from '../../kernels/conv2d/tap-channels.ts';
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
  { ...LAYER, image: [2, 16, 7, 9] },
  { ...LAYER, image: [1, 20, 6, 8], padding: 3, accumulate: true },
  { ...LAYER, image: [3, 17, 5, 4], slice: { first: 2, channels: 4 } },
  { ...LAYER, image: [1, 33, 2, 5], accumulate: true },
  { ...LAYER, image: [2, 16, 4, 13], kernel: 2, padding: 2 },
];

suite('margins of all kinds agree with the reference', async () => {
  const random = new RandomStream(17, 'tap-channels');
  if (gpu.profile.kind !== 'cpu') return;
  for (const each of CASES) {
    const [outcome] = await outcomes(gpu, each, random, 'tap-channels', ['data-gradient']);
    const { largest } = errorsOf(outcome);
    assert.ok(largest < 4e-6, `${JSON.stringify(each)}: error ${largest}`);
  }
});

suite('they are taken for the last layer of a discriminator, and for nothing else', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const ways = (change: Partial<KernelCase>, profile = lavapipe): readonly string[] => {
    const g = geometryOf({ ...LAYER, image: [1, 512, 31, 31], ...change });
    const request = { pass: 'data-gradient', geometry: g, epilogue: NO_EPILOGUE } as const;
    const variants = convolutionVariants({ ...request, tapChannels: TAP_CHANNELS }, profile);
    return variants.map(({ name }) => name);
  };
  assert.is(ways({})[0], 'tap-channels');
  assert.is(ways({ image: [1, 32, 8, 8] })[0], 'direct', 'few products');
  assert.not(ways({ rows: 2 }).includes('tap-channels'), 'two channels');
  assert.not(ways({ reflect: false }).includes('tap-channels'), 'zeros around');
  assert.not(ways({ stride: 2 }).includes('tap-channels'), 'stride 2');
  assert.not(ways({ kernel: 3 }).includes('tap-channels'), 'taps not in fours');
  assert.not(ways({}, { ...lavapipe, kind: 'gpu' }).includes('tap-channels'), 'GPU');
});

suite.run();

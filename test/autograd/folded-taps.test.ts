/** Data gradients of images extended by one reflected pixel, without a padded gradient. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NONE } from '../../kernels/activation.ts';
import { foldedTaps } from '../../kernels/conv2d/folded-taps.ts';
import { outHeight, outWidth } from '../../kernels/conv2d/geometry.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { conv2dBackwardReference } from '../../src/autograd/reference/conv2d.ts';
import { hostArray, randomArray } from '../../src/autograd/registry/row.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  errorsOf,
  geometryOf,
  type KernelCase,
  outcomes,
  outputOf,
} from '../support/convolution-outcomes.ts';

const suite = createSuite('folded taps');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const reflected = (each: Omit<KernelCase, 'reflect'>): KernelCase => ({ ...each, reflect: true });

/** Strides and kernels; extents that the last tap reaches and others; one subgroup an image, and many. */
const CASES: readonly KernelCase[] = [
  ...[4, 5, 6, 7, 16, 32, 33, 70].flatMap((width) => [
    reflected({ image: [3, 4, 6, width], rows: 8, kernel: 4, stride: 2 }),
    reflected({ image: [2, 3, 5, width], rows: 5, kernel: 4, stride: 1 }),
    reflected({ image: [2, 6, 5, width], rows: 3, kernel: 3, stride: 2, accumulate: true }),
    reflected({ image: [2, 5, 4, width], rows: 6, kernel: 3, stride: 1 }),
  ]),
  // Rows 1 and H - 2 are each other, or the same.
  reflected({ image: [2, 3, 2, 8], rows: 8, kernel: 3, stride: 1 }),
  reflected({ image: [2, 3, 3, 3], rows: 8, kernel: 3, stride: 1 }),
  reflected({ image: [5, 4, 4, 4], rows: 8, kernel: 4, stride: 2 }),
  reflected({ image: [1, 3, 9, 12], rows: 4, kernel: 5, stride: 1 }),
  reflected({ image: [1, 3, 9, 12], rows: 4, kernel: 5, stride: 2 }),
  // Many rows of dx, of which the last block has less, and a slice of dy.
  reflected({ image: [1, 70, 8, 8], rows: 12, kernel: 4, stride: 2 }),
  reflected({
    ...{ image: [2, 9, 8, 16], rows: 8, kernel: 4, stride: 2, accumulate: true },
    slice: { first: 3, channels: 12 },
  }),
];

suite('they agree with the reference', async () => {
  const random = new RandomStream(43, 'folded taps');
  for (const each of CASES) {
    const name = JSON.stringify(each);
    const plan = foldedTaps(geometryOf(each), gpu.profile, { slice: each.slice });
    assert.ok(plan?.steps.at(-1)?.kernel.key.includes('fold'), name);
    assert.ok((plan?.steps.length ?? 0) <= 2, `${name}: weights may be packed, nothing else`);
    for (const outcome of await outcomes(gpu, each, random, 'direct', ['data-gradient'])) {
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-6, `${name}: error ${largest}`);
    }
  }
});

suite('they multiply by the slope of an activation on the way', async () => {
  const random = new RandomStream(47, 'gate');
  for (const width of [8, 7]) {
    const each = reflected({ image: [2, 3, 6, width], rows: 5, kernel: 4, stride: 2 });
    const geometry = geometryOf(each);
    const [x, w, y] = [
      randomArray(random, each.image),
      randomArray(random, [5, 3, 4, 4]),
      randomArray(random, each.image),
    ];
    const dy = randomArray(random, [2, 5, outHeight(geometry), outWidth(geometry)]);
    const attributes = { stride: 2, padding: 1, paddingMode: 'reflect', outputPadding: 0 } as const;
    const [dx] = conv2dBackwardReference([x, w], { ...attributes, activation: NONE }, dy);
    const plan = foldedTaps(geometry, gpu.profile, { gate: { kind: 'leaky_relu', slope: 0.2 } });
    assert.ok(plan);
    const before = hostArray(dx.shape, new Float64Array(dx.data.length).fill(Number.NaN));
    const found = await outputOf(gpu, plan, [dy, w, y], before);
    const expected = dx.data.map((value, i) => (y.data[i] > 0 ? value : 0.2 * value));
    assert.ok(errorsOf({ found, expected }).largest < 4e-6, `${width} columns`);
  }
});

suite('wider margins, and what is summed without tiles, go another way', () => {
  const of = (each: KernelCase) => foldedTaps(geometryOf(each), gpu.profile, {});
  assert.is(
    of(reflected({ image: [1, 4, 8, 8], rows: 4, kernel: 7, stride: 1, padding: 3 })),
    undefined,
  );
  assert.is(of(reflected({ image: [1, 4, 9, 9], rows: 4, kernel: 4, stride: 3 })), undefined);
  assert.is(of(reflected({ image: [1, 4, 9, 9], rows: 4, kernel: 2, stride: 1 })), undefined);
});

suite.run();

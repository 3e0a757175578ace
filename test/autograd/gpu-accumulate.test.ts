/** Data gradients of GPU kernels that are added to what is there, however the work is cut. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { foldedPlan } from '../../kernels/conv2d/fold.ts';
import {
  type ConvGeometry,
  foldsMargins,
  outHeight,
  outWidth,
} from '../../kernels/conv2d/geometry.ts';
import { gpuCorrelationChoices, gpuDataGradient } from '../../kernels/conv2d/gpu/plans.ts';
import type { TileChoice } from '../../kernels/conv2d/gpu/tile.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { hostArray, randomArray } from '../../src/autograd/registry/row.ts';
import { openNodeGpu } from '../../src/node.ts';
import { squareGeometry } from '../support/convolution-contests.ts';
import { outputOf } from '../support/convolution-outcomes.ts';

const suite = createSuite('accumulating data gradients on GPUs');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const SHAPES: readonly ConvGeometry[] = [
  squareGeometry(2, 20, 8, 16),
  squareGeometry(1, 72, 6, 32, 4, 2),
  squareGeometry(2, 1, 8, 16, 4, 2),
  { ...squareGeometry(1, 12, 7, 16, 4, 2), paddingMode: 'reflect' },
  squareGeometry(1, 64, 4, 320),
];

suite('sums of the last shape are cut, and finished by a kernel of their own', () => {
  const [geometry] = SHAPES.slice(-1);
  const { steps } = gpuDataGradient(geometry, NO_EPILOGUE, {}, true);
  assert.is(steps.at(-1)?.kernel.key, 'gpu.finish');
});

/** The gradient by a plan, of an output that holds `before`. */
async function gradient(
  geometry: ConvGeometry,
  choice: TileChoice,
  accumulate: boolean,
  before: Float32Array,
): Promise<Float32Array> {
  const { batch, inChannels, outChannels, kernelHeight, kernelWidth } = geometry;
  const random = new RandomStream(7, 'accumulate');
  const dy = [batch, outChannels, outHeight(geometry), outWidth(geometry)];
  const w = [outChannels, inChannels, kernelHeight, kernelWidth];
  const inputs = [dy, w].map((shape) => randomArray(random, shape));
  const plan = gpuDataGradient(geometry, NO_EPILOGUE, choice, accumulate);
  const whole = foldsMargins(geometry) ? foldedPlan(plan, geometry, accumulate) : plan;
  return outputOf(gpu, whole, inputs, hostArray([before.length], Float64Array.from(before)));
}

for (const geometry of SHAPES) {
  const { batch, inChannels, height, width, kernelHeight, stride, paddingMode } = geometry;
  const name = `${batch}x${inChannels}x${height}x${width}, ${kernelHeight}x${kernelHeight} stride ${stride} ${paddingMode}`;
  suite(`of ${name}`, async () => {
    const before = Float32Array.from(
      { length: batch * inChannels * height * width },
      (_, i) => (i % 7) - 3,
    );
    const choices: (readonly [string, TileChoice])[] = [
      ['usual', {}],
      ...gpuCorrelationChoices('data-gradient', geometry),
    ];
    for (const [choice, options] of choices) {
      const alone = await gradient(geometry, options, false, before);
      const added = await gradient(geometry, options, true, before);
      alone.forEach((value, i) => {
        // The sum is rounded once; how the parts were made is the same.
        const expected = Math.fround(value + before[i]);
        assert.ok(
          Math.abs(added[i] - expected) <= 1e-6 * (1 + Math.abs(expected)),
          `${choice}, element ${i}: ${added[i]}, expected ${expected}`,
        );
      });
    }
  });
}

suite.run();

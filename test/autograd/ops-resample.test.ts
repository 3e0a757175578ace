import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GridSampleSpec } from '../../kernels/grid-sample.ts';
import { gridSampleInputGradient } from '../../kernels/grid-sample-input-gradient.ts';
import { gridSample } from '../../src/autograd/ops/grid-sample.ts';
import { resizeBilinear } from '../../src/autograd/ops/resize-bilinear.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { ADD_BIAS } from '../../src/autograd/registry/bias.ts';
import { FLOW_GRID } from '../../src/autograd/registry/flow-grid.ts';
import { GRID_SAMPLE, randomGrid } from '../../src/autograd/registry/grid-sample.ts';
import { RESIZE_OPS } from '../../src/autograd/registry/resize.ts';
import { randomArray } from '../../src/autograd/registry/row.ts';
import { tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('bias and resampling');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [ADD_BIAS, ...RESIZE_OPS, FLOW_GRID, GRID_SAMPLE]);

suite('grid_sample: a NaN coordinate gives NaN, an infinite one the border', async () => {
  const x = tensorFrom(gpu, [1, 2, 3, 4], [1, 1, 2, 2]);
  const { NaN: nan, POSITIVE_INFINITY: far } = Number;
  const grid = tensorFrom(gpu, [nan, 0, 0, nan, far, far, -far, -far], [1, 2, 2, 2]);
  const border = { alignCorners: true, paddingMode: 'border' } as const;
  const zero = { alignCorners: true, paddingMode: 'zeros' } as const;
  assert.equal([...(await gpu.scope(() => gridSample(x, grid, border)).read())], [nan, nan, 4, 1]);
  assert.equal([...(await gpu.scope(() => gridSample(x, grid, zero)).read())], [nan, nan, 0, 0]);
});

suite('grid_sample: tiles and pixels add up the gradient of any grid in the same order', async () => {
  const [batch, channels, height, width] = [2, 6, 37, 45];
  const [outputHeight, outputWidth] = [29, 51];
  for (const paddingMode of ['border', 'zeros'] as const) {
    const spec: GridSampleSpec = {
      ...{ batch, channels, height, width, outputHeight, outputWidth },
      ...{ alignCorners: false, paddingMode },
    };
    const random = new RandomStream(3, 'grid');
    const shape = [batch, channels, height, width];
    const grid = randomGrid(random, [batch, outputHeight, outputWidth, 2], shape, false);
    const dy = randomArray(random, [batch, channels, outputHeight, outputWidth]);
    const inputs = [grid, dy].map(({ data }) => gpu.upload(Float32Array.from(data)));
    const gradients: Float32Array[] = [];
    for (const kind of ['cpu', 'gpu'] as const) {
      const size = batch * channels * height * width;
      const result = gpu.upload(new Float32Array(size).fill(Number.NaN));
      gpu.runPlan(gridSampleInputGradient(spec, { ...gpu.profile, kind }), inputs, [result]);
      gradients.push(new Float32Array(await gpu.read(result, size)));
      gpu.dispose(result);
    }
    for (const input of inputs) gpu.dispose(input);
    assert.ok(gradients[0].every(Number.isFinite));
    assert.equal(gradients[0], gradients[1]);
  }
});

suite('impossible sizes are named', () => {
  const x = zeros(gpu, [1, 1, 4, 4]);
  assert.throws(() => resizeBilinear(x, { height: 0, width: 3 }), /4x4 to 0x3/);
  assert.throws(() => resizeBilinear(x, { height: 2.5, width: 3 }), /4x4 to 2.5x3/);
  const options = { alignCorners: true, paddingMode: 'zeros' } as const;
  assert.throws(() => gridSample(x, zeros(gpu, [2, 4, 4, 2]), options), /\[2,4,4,2\]/);
});

suite.run();

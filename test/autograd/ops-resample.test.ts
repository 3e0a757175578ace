import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { resizeBilinear } from '../../src/autograd/ops/resize-bilinear.ts';
import { ADD_BIAS } from '../../src/autograd/registry/bias.ts';
import { RESIZE_OPS } from '../../src/autograd/registry/resize.ts';
import { zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('bias and resampling');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [ADD_BIAS, ...RESIZE_OPS]);

suite('impossible sizes are named', () => {
  const x = zeros(gpu, [1, 1, 4, 4]);
  assert.throws(() => resizeBilinear(x, { height: 0, width: 3 }), /4x4 to 0x3/);
  assert.throws(() => resizeBilinear(x, { height: 2.5, width: 3 }), /4x4 to 2.5x3/);
});

suite.run();

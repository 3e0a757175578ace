import { suite as createSuite } from 'uvu';
import { CONVOLUTION_OPS } from '../../src/autograd/registry/convolution.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import { openNodeGpu } from '../../src/node.ts';
import { asGpu } from '../support/as-gpu.ts';
import { testHalfRows } from './check-half-rows.ts';

/* Every sample of every op, and the convolutions by the variants for GPUs. */

const suite = createSuite('all ops over f16 storage');
const gpu = await openNodeGpu();
const tiles = asGpu(gpu);
suite.after(() => gpu.close());

testHalfRows(suite, gpu, OPS, true);
testHalfRows(suite, tiles, CONVOLUTION_OPS, true);

suite.run();

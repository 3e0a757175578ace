import { suite as createSuite } from 'uvu';
import { OPS } from '../../src/autograd/registry/index.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testHalfRows } from './check-half-rows.ts';

const suite = createSuite('ops over f16 storage');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testHalfRows(suite, gpu, OPS, false);

suite.run();

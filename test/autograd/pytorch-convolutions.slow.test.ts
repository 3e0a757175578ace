/** All convolutions of the fixtures: some 300 kernels, which take software drivers minutes to compile. */
import { suite as createSuite } from 'uvu';
import { openNodeGpu } from '../../src/node.ts';
import { CONVOLUTIONS } from '../support/pytorch-convolutions.ts';
import { OpFixtures } from '../support/pytorch-op-cases.ts';

const suite = createSuite('all convolutions against PyTorch');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

new OpFixtures(gpu).testOps(suite, CONVOLUTIONS);

suite.run();

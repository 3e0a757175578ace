import { suite as createSuite } from 'uvu';
import { convolutionRows } from '../../src/autograd/registry/convolution.ts';
import { openAsGpu } from '../support/gpu-variants.ts';
import { testHalfRows } from './check-half-rows.ts';

/* Tiles of f16 in workgroup memory, as all three kernels have them; more shapes in ops-half.slow.test.ts. */

const suite = createSuite('convolutions over f16 on GPUs');
const gpu = await openAsGpu();
suite.after(() => gpu.close());

const [conv2d] = convolutionRows(
  [{ image: [2, 32, 8, 8], kernel: [64, 4, 4], stride: 2, padding: 1, bias: true }],
  [],
);
testHalfRows(suite, gpu, [conv2d], true);

suite.run();

/** Device memory under a budget: what no longer fits makes room, or fails and leaves nothing behind. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { elementwiseBinary } from '../../kernels/elementwise.ts';
import { openNodeGpu } from '../../src/node.ts';

const KIBIBYTE = 2 ** 10;
const suite = createSuite('budget');

suite('what is kept for reuse makes room within a submit that has used it before', async () => {
  const gpu = await openNodeGpu({ memoryBudget: 700 * KIBIBYTE });
  const sum = gpu.scope(() => {
    const twos = gpu.allocate(16);
    // Free after the copy, and too large to serve as the zeros.
    gpu.copy(gpu.upload(new Float32Array(128 * KIBIBYTE).fill(2)), twos, 16);
    const zeros = gpu.allocate(200 * KIBIBYTE);
    gpu.clear(zeros);
    const result = gpu.allocate(16);
    gpu.run(elementwiseBinary('add', 4), [twos, zeros, result]);
    return result;
  });
  assert.equal([...new Float32Array(await gpu.read(sum, 4))], [2, 2, 2, 2]);
  gpu.close();
});

suite.run();

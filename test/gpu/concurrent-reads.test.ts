import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { scale } from '../../src/autograd/ops/scale.ts';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('concurrent reads');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

suite('wait for the same kernels to be compiled', async () => {
  const results = [1, 2, 3].map((factor) =>
    scale(tensorFrom(gpu, [1, 2, 3, 4, 5], [5]), factor).read(),
  );
  assert.equal(
    (await Promise.all(results)).map((values) => [...values]),
    [
      [1, 2, 3, 4, 5],
      [2, 4, 6, 8, 10],
      [3, 6, 9, 12, 15],
    ],
  );
});

suite.run();

/** Into how many rows a lane's tiles are cut, and that tiles of odd numbers of rows are right. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { rowsOfBlock } from '../../kernels/conv2d/correlation-spec.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import { errorsOf, type KernelCase, outcomes } from '../support/convolution-outcomes.ts';

const suite = createSuite('blocks of rows');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

suite('blocks are equal', () => {
  assert.is(rowsOfBlock(64, 32), 32);
  assert.is(rowsOfBlock(50, 32), 25);
  assert.is(rowsOfBlock(37, 32), 37);
  assert.is(rowsOfBlock(19, 16), 19);
  assert.is(rowsOfBlock(50, 16), 17);
  assert.is(rowsOfBlock(1, 1), 1);
});

/** Blocks of 25 rows of y, 19 and 25 of x; the last ones of y have less. */
const CASES: readonly KernelCase[] = [
  { image: [1, 19, 9, 15], rows: 49, kernel: 4, stride: 2, bias: true },
  { image: [2, 25, 6, 16], rows: 50, kernel: 3, stride: 1, accumulate: true },
];

suite('they agree with the reference', async () => {
  const random = new RandomStream(29, 'row-blocks');
  for (const each of CASES) {
    for (const outcome of await outcomes(gpu, each, random, 'direct')) {
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-6, `${JSON.stringify(each)} ${outcome.pass}: error ${largest}`);
    }
  }
});

suite.run();

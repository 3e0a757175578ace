import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { gelu } from '../../src/autograd/ops/gelu.ts';
import { layerNorm } from '../../src/autograd/ops/layer-norm.ts';
import { softmax } from '../../src/autograd/ops/softmax.ts';
import { mixTokens, tokenSimilarity } from '../../src/autograd/ops/token-products.ts';
import { TRANSFORMER_OPS } from '../../src/autograd/registry/transformer.ts';
import { Tensor, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { ShapeError } from '../../src/errors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('ops of transformers');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [...TRANSFORMER_OPS]);

suite('shapes that do not fit are named', () => {
  const shaped = (...shape: number[]) => zeros(gpu, shape);
  const refusals: readonly [() => Tensor, RegExp][] = [
    [
      () => tokenSimilarity(shaped(1, 6, 2, 2), shaped(1, 6, 2, 2), { heads: 4 }),
      /4 heads .*\[1,6,2,2\]/,
    ],
    [() => tokenSimilarity(shaped(1, 4, 2, 2), shaped(2, 4, 2, 2)), /\[1,4,2,2\] and \[2,4,2,2\]/],
    [() => mixTokens(shaped(1, 4, 5), shaped(1, 3, 2, 2)), /weights \[1,4,4\], found \[1,4,5\]/],
    [() => softmax(shaped()), /found \[\]/],
    [() => layerNorm(shaped(2, 3, 4), shaped(3), shaped(4)), /\[2,3,4\], \[3\], \[4\]/],
  ];
  for (const [refused, message] of refusals) {
    assert.throws(
      refused,
      (error: Error) => error instanceof ShapeError && message.test(error.message),
    );
  }
});

suite('NaN spreads over what depends on it, and no further', async () => {
  const nan = Number.NaN;
  const rows = await softmax(tensorFrom(gpu, [1, nan, 2, 1, 2, 3], [2, 3])).read();
  assert.ok([0, 1, 2].every((i) => Number.isNaN(rows[i])));
  assert.ok([3, 4, 5].every((i) => Number.isFinite(rows[i])));
  const bits = Uint32Array.of(0x7fc00000, 0xffc00000, 0x7f7fffff, 0xff7fffff);
  const bent = await gelu(new Tensor(gpu, [4], gpu.upload(bits))).read();
  assert.ok(Number.isNaN(bent[0]) && Number.isNaN(bent[1]));
  assert.ok(bent[2] > 3e38 && bent[3] === 0, `${bent}`);
});

suite('softmax of huge logits is finite', async () => {
  const values = await softmax(tensorFrom(gpu, [3e38, -3e38, 3e38, 0], [2, 2])).read();
  assert.equal([...values], [1, 0, 1, 0]);
});

suite.run();

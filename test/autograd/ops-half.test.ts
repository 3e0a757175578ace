import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { countNonFinite } from '../../src/autograd/finite.ts';
import { add } from '../../src/autograd/ops/arithmetic.ts';
import { concat } from '../../src/autograd/ops/concat.ts';
import { scale } from '../../src/autograd/ops/scale.ts';
import { softmax } from '../../src/autograd/ops/softmax.ts';
import { mixTokens, tokenSimilarity } from '../../src/autograd/ops/token-products.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import { typedTensorFrom } from '../../src/autograd/typed-tensor.ts';
import { GpuError } from '../../src/errors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testHalfRows } from './check-half-rows.ts';

const suite = createSuite('ops over f16 storage');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testHalfRows(suite, gpu, OPS, false);

if (gpu.profile.f16) {
  suite('what takes no f16 says so', async () => {
    const half = typedTensorFrom(gpu, [1, 2, 3], [3], 'f16');
    const full = tensorFrom(gpu, [1, 2, 3], [3]);
    assert.throws(
      () => add(half, full),
      /add needs tensors of one element type, found f16 and f32/,
    );
    assert.throws(() => concat([full, half], 0), /concat needs .* found f32 and f16/);
    const failure = await countNonFinite([{ name: 'half', tensor: half }]).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(failure, GpuError);
    assert.match(String(failure), /kernel finite.*: binding 0 is no array of floats/);
    // The command that cannot be done is still recorded.
    gpu.trim();
  });

  suite('attention scores beyond the range of f16 show, as no numbers', async () => {
    const tokens = typedTensorFrom(gpu, [300, 1, 300, 1], [1, 2, 2], 'f16').keep();
    const [scores, mixed] = gpu.scope(() => {
      const similar = tokenSimilarity(tokens, tokens);
      return [similar, mixTokens(softmax(similar), tokens)];
    });
    assert.equal([...(await scores.read())], [Number.POSITIVE_INFINITY, 600, 600, 2]);
    const [first, second, third, fourth] = await mixed.read();
    assert.ok(Number.isNaN(first) && Number.isNaN(third), `${first}, ${third}`);
    assert.equal([second, fourth], [300, 300]);
  });

  suite('a product may be stored as another type than its factor, its gradient is not', async () => {
    const x = tensorFrom(gpu, [1, 2, -3], [3]).keep();
    x.requiresGrad = true;
    const { half, gradient } = gpu.scope(() => {
      const y = scale(x, 1 / 3, 'f16');
      const dy = typedTensorFrom(gpu, [1, 1, 3], [3], 'f16');
      return { half: y, gradient: backward(y, [x], dy).get(x) };
    });
    assert.is(half.elementType, 'f16');
    assert.equal([...(await half.read())], [0.333251953125, 0.66650390625, -1]);
    assert.is(gradient?.elementType, 'f32');
    assert.equal(
      [...((await gradient?.read()) ?? [])],
      [Math.fround(1 / 3), Math.fround(1 / 3), 1],
    );
  });

  suite('values come back as they were stored, odd numbers of them too', async () => {
    const values = [1, -0.5, 65504, 2 ** -24, 1 / 3, Number.NaN, Number.NEGATIVE_INFINITY];
    const tensor = typedTensorFrom(gpu, values, [7], 'f16');
    assert.is(tensor.storage.byteLength, 16);
    const rounded = [...values];
    rounded[4] = 0.333251953125;
    assert.equal([...(await tensor.read())], rounded);
  });
}

suite.run();

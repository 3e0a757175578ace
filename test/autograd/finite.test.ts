import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { assertFinite, countNonFinite } from '../../src/autograd/finite.ts';
import { Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { NumericalError } from '../../src/errors.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('finite');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const NAN = 0x7fc00000;
const INFINITY = 0x7f800000;
const LARGEST = 0x7f7fffff;
const SUBNORMAL = 0x00000001;

suite('counts NaN of any payload and both infinities, and nothing else', async () => {
  const bits = [
    NAN,
    0xffffffff,
    INFINITY,
    0xff800000,
    LARGEST,
    0xff7fffff,
    SUBNORMAL,
    0,
    0x80000000,
  ];
  const x = new Tensor(gpu, [bits.length], gpu.upload(Uint32Array.from(bits)));
  assert.equal([...(await countNonFinite([{ name: 'x', tensor: x }]))], [['x', 4]]);
});

suite('ignores what lies behind the last element', async () => {
  for (const size of [1, 2, 3, 5, 31, 33]) {
    const padded = new Uint32Array(Math.ceil(size / 4) * 4).fill(NAN);
    padded.fill(LARGEST, 0, size);
    const x = new Tensor(gpu, [size], gpu.upload(padded));
    assert.is((await countNonFinite([{ name: 'x', tensor: x }])).size, 0, `size ${size}`);
    padded[size - 1] = INFINITY;
    const y = new Tensor(gpu, [size], gpu.upload(padded));
    assert.is((await countNonFinite([{ name: 'y', tensor: y }])).get('y'), 1, `size ${size}`);
  }
});

suite('finds each of many tensors with one submit and one read-back, leaking nothing', async () => {
  const sizes = [1, 7, 64, 1000, 30_001, 100, 5, 4, 3, 2, 9, 70_000];
  const tensors = sizes.map((size, index) => {
    const data = new Float32Array(size);
    if (index % 3 === 0) data.fill(Number.NaN, 0, index + 1);
    return { name: `t${index}`, tensor: tensorFrom(gpu, data, [size]) };
  });
  await gpu.finish();
  const submits = gpu.recorder.submits;
  const bytes = gpu.memory().liveBytes;
  const found = await countNonFinite(tensors);
  assert.is(gpu.recorder.submits, submits + 1);
  assert.is(gpu.memory().liveBytes, bytes);
  assert.equal(
    [...found],
    [
      ['t0', 1],
      ['t3', 4],
      ['t6', 5],
      ['t9', 2],
    ],
  );
});

suite('the error names the tensors and is of its type', async () => {
  const good = { name: 'good', tensor: tensorFrom(gpu, [1, 2], [2]) };
  const bad = { name: 'loss.adversarial', tensor: tensorFrom(gpu, [1, Number.NaN], [2]) };
  await assertFinite([good]);
  await assertFinite([]);
  try {
    await assertFinite([good, bad]);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, NumericalError);
    assert.match(String(error), /NaN or infinity in loss\.adversarial \(1 of 2 elements\)$/);
  }
});

suite.run();

import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { instanceNormBackward, instanceNormForward } from '../../kernels/instance-norm.ts';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { instanceNorm } from '../../src/autograd/ops/instance-norm.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { instanceNormReference } from '../../src/autograd/reference/instance-norm.ts';
import { INSTANCE_NORM } from '../../src/autograd/registry/instance-norm.ts';
import { randomArray } from '../../src/autograd/registry/row.ts';
import { emptyTensor, runKernel, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('instance norm');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [INSTANCE_NORM]);

suite('the variant for GPUs gives the same numbers', async () => {
  const profile: AdapterProfile = { kind: 'gpu', subgroupSize: 0, f16: false };
  for (const shape of [
    [1, 3, 16, 16],
    [1, 2, 67, 65],
  ]) {
    const x = randomArray(new RandomStream(1, 'gpu'), shape);
    const attributes = { epsilon: 1e-5, activation: { kind: 'none' as const } };
    const expected = instanceNormReference(x, attributes);
    const spec = { planes: shape[1], pixels: shape[2] * shape[3], ...attributes };
    const input = tensorFrom(gpu, Float32Array.from(x.data), shape);
    const y = emptyTensor(gpu, shape);
    const statistics = emptyTensor(gpu, [spec.planes, 2]);
    runKernel(instanceNormForward(spec, profile), [input, y, statistics]);
    const dx = emptyTensor(gpu, shape);
    // With y as its own cotangent: dx = (y - 0 - y·mean(y²))/s, and mean(y²) = 1 - ε/s².
    runKernel(instanceNormBackward(spec, profile), [y, y, statistics, dx]);
    const values = await y.read();
    const gradient = await dx.read();
    expected.data.forEach((value, index) => {
      assert.ok(Math.abs(values[index] - value) < 3e-6, `y[${index}]`);
      assert.ok(Math.abs(gradient[index]) < 1e-4, `dx[${index}] = ${gradient[index]}`);
    });
  }
});

suite('NaN spreads over its plane and no further', async () => {
  const data = new Float32Array(2 * 81).map((_, index) => index % 7);
  data[5] = Number.NaN;
  const values = await gpu.scope(() => instanceNorm(tensorFrom(gpu, data, [1, 2, 9, 9]))).read();
  assert.ok(values.subarray(0, 81).every(Number.isNaN));
  assert.ok(values.subarray(81).every(Number.isFinite));
});

suite('single pixels are refused', () => {
  const x = zeros(gpu, [2, 3, 1, 1]);
  assert.throws(() => instanceNorm(x), /more than one pixel a plane, found \[2,3,1,1\]/);
});

suite.run();

/** Device memory under a budget: what no longer fits makes room, or fails and leaves nothing behind. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { elementwiseBinary } from '../../kernels/elementwise.ts';
import { GpuError } from '../../src/errors.ts';
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

suite('what does not fit fails, and gives back what it took', async () => {
  const gpu = await openNodeGpu({ memoryBudget: 700 * KIBIBYTE });
  const ones = gpu.upload(new Float32Array(64).fill(1));
  const constant = gpu.upload(new Float32Array(64).fill(2));
  const add = elementwiseBinary('add', 64);
  const before = gpu.memory().liveBytes;
  const sum = gpu.allocate(256);
  const large = [400, 200, 200].map((kibibytes) => gpu.allocate(kibibytes * KIBIBYTE));
  gpu.run(add, [ones, constant, sum]);
  for (const storage of large) gpu.clear(storage);
  const failure = await gpu.finish().catch((error) => error);
  assert.ok(failure instanceof GpuError && failure.reason === 'out-of-memory', String(failure));
  for (const storage of large) gpu.dispose(storage);
  // The first kernel was not run either: nobody may take the sum for one.
  const unwritten = await gpu.read(sum, 64).catch((error) => error);
  assert.match(String(unwritten), /never written/);
  gpu.dispose(sum);
  assert.is(gpu.memory().liveBytes, before);
  const again = gpu.allocate(256);
  gpu.run(add, [ones, constant, again]);
  assert.is(new Float32Array(await gpu.read(again, 64))[63], 3);
  gpu.close();
});

suite.run();

/** Every dispatch of a flush is timed, and computes what it computes untimed. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { elementwiseBinary } from '../../kernels/elementwise.ts';
import { GpuError } from '../../src/errors.ts';
import { profileFlush } from '../../src/gpu/profile-flush.ts';
import { openNodeGpu } from '../../src/node.ts';

const COUNT = 4096;
const suite = createSuite('profile flush');

suite('tells a time for each dispatch', async () => {
  const gpu = await openNodeGpu();
  const add = elementwiseBinary('add', COUNT);
  const one = gpu.upload(new Float32Array(COUNT).fill(1));
  const [two, three] = [gpu.allocate(COUNT * 4), gpu.allocate(COUNT * 4)];
  gpu.run(add, [one, one, two]);
  gpu.run(add, [two, one, three]);
  if (gpu.device.features.has('timestamp-query')) {
    const times = await profileFlush(gpu);
    assert.equal(
      times.map(({ key }) => key),
      [add.key, add.key],
    );
    assert.ok(times.every(({ milliseconds }) => milliseconds >= 0));
    assert.is(gpu.recorder.timer, undefined);
  } else {
    try {
      await profileFlush(gpu);
      assert.unreachable();
    } catch (error) {
      assert.ok(error instanceof GpuError && error.reason === 'unsupported', String(error));
    }
  }
  assert.is(new Float32Array(await gpu.read(three, COUNT))[COUNT - 1], 3);
  gpu.close();
});

suite.run();

/** Whatever fails because the device went away says so, and not what the driver made of it. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { elementwiseActivation } from '../../kernels/elementwise.ts';
import { GpuError, type GpuErrorReason } from '../../src/errors.ts';
import { PipelineCache } from '../../src/gpu/pipelines.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('device loss');

async function assertFails(work: Promise<unknown>, reason: GpuErrorReason, text: RegExp) {
  const failure = await work.catch((error: unknown) => error);
  assert.instance(failure, GpuError, String(failure));
  assert.is((failure as GpuError).reason, reason);
  assert.match(String(failure), text);
}

suite('while something is awaited', async () => {
  const gpu = await openNodeGpu();
  const dropped = Promise.reject(new Error('instance dropped'));
  await assertFails(gpu.settled(dropped), 'lost', /went away while a result was awaited/);
  gpu.close();
});

suite('while commands are compiled: the loss, not what it did to the compiler', async () => {
  const gpu = await openNodeGpu();
  const flush = async (): Promise<void> => {
    gpu.device.destroy();
    await gpu.device.lost;
    throw new Error('no pipeline');
  };
  Object.assign(gpu.recorder, { flush });
  await assertFails(gpu.flush(), 'lost', /the GPU device was lost/);
  gpu.close();
});

suite('while the compiler is asked for its messages', async () => {
  const gone = () => Promise.reject(new Error('instance dropped'));
  const device = {
    features: new Set<string>(),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({ getCompilationInfo: gone }),
    createComputePipelineAsync: gone,
  };
  const cache = new PipelineCache(device as unknown as GPUDevice);
  cache.request(elementwiseActivation({ kind: 'relu' }, 8));
  await assertFails(cache.settle(), 'lost', /went away while kernel .* was compiled/);
});

suite('a kernel that does not compile still says why, with numbered lines', async () => {
  const gpu = await openNodeGpu();
  const kernel = elementwiseActivation({ kind: 'relu' }, 8);
  const broken = { ...kernel, key: 'broken', code: () => `${kernel.code()}\nnonsense;` };
  gpu.pipelines.request(broken);
  await assertFails(gpu.pipelines.settle(), 'validation', /broken does not compile: [\s\S]*\n +1 /);
  gpu.close();
});

suite.run();

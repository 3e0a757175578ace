/** Enhancing with activations stored as f16: how far images are from those of f32, memory, and what is refused. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ElementType } from '../../kernels/element-types.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { loadGenerator } from '../../src/embed/generator.ts';
import { GpuError, NumericalError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { enhancerOf } from '../../src/methods/enhancing.ts';
import { ResNet } from '../../src/nn/resnet.ts';
import { serializeSafetensors } from '../../src/nn/safetensors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { readBundledModel } from '../../src/run/bundled-model.ts';
import { enhanceImage } from '../../src/run/enhance-image.ts';
import { enhancerFrom } from '../../src/run/enhancer.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';
import { randomImage, tinyGenerator } from '../support/tiny-generator.ts';

const suite = createSuite('enhancing over f16 storage');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

if (gpu.profile.f16) {
  suite('the bundled model: images of 8 bits differ by one grey level at most, few at all', async () => {
    const { architecture, tensors, path } = readBundledModel();
    const { low } = await simulatedPairs(1, 1, 96).load(0);
    const levels: number[][] = [];
    for (const precision of ['f32', 'f16'] as const) {
      const enhancer = await enhancerFrom(gpu, architecture, tensors, path, precision);
      const { data } = await enhanceImage(gpu, enhancer, low);
      levels.push(Array.from(data, (value) => Math.round(255 * value)));
      enhancer.dispose();
    }
    const [full, half] = levels;
    const differences = full.map((level, pixel) => Math.abs(level - half[pixel]));
    const different = differences.filter((difference) => difference > 0).length;
    assert.is(Math.max(...differences), 1);
    assert.ok(different < 0.05 * full.length, `${different} of ${full.length} pixels`);
  });

  suite('activations take half the memory', async () => {
    // So narrow that no kernel has scratch space of its own, which is f32.
    const options = {
      ngf: 6,
      blocks: 1,
      inChannels: 1,
      outChannels: 1,
      initialiser: 'default',
    } as const;
    const needed: number[] = [];
    for (const precision of ['f32', 'f16'] as const) {
      const own = await openNodeGpu();
      const enhancer = enhancerOf(new ResNet(own, options, new RandomStream(1, 'G')), precision);
      await own.finish();
      const { peakLiveBytes: before, liveBytes: parameters } = own.memory();
      await enhanceImage(own, enhancer, randomImage(96, 96));
      const { peakLiveBytes } = own.memory();
      assert.ok(peakLiveBytes > before, 'the peak is one of enhancing');
      needed.push(peakLiveBytes - parameters);
      own.close();
    }
    const share = needed[1] / needed[0];
    console.log(`${needed[0]} bytes in f32, ${needed[1]} in f16`);
    assert.ok(share < 0.6, `${share}`);
  });

  suite('what f16 cannot hold is no image', async () => {
    const { architecture, tensors } = await tinyGenerator(gpu);
    const enlarge = (value: number | bigint): number => 1e7 * Number(value);
    const scaled = new Map(
      [...tensors].map(([name, tensor], index) => [
        name,
        index === 0 ? { ...tensor, data: Float32Array.from(tensor.data, enlarge) } : tensor,
      ]),
    );
    const bytes = serializeSafetensors(scaled);
    const outcome = async (precision: ElementType): Promise<unknown> => {
      const model = await loadGenerator(gpu, bytes, { architecture, precision });
      const failure = await failureOf(model.enhance(randomImage(32, 32)));
      model.dispose();
      return failure;
    };
    assert.is(await outcome('f32'), undefined);
    const failure = await outcome('f16');
    assert.instance(failure, NumericalError);
    assert.match(String(failure), /the enhanced image is not finite: try precision f32/);
  });
} else {
  suite(`skipped: ${gpu.description} has no shader-f16`, () => undefined);
}

suite('a device without shader-f16 is refused, and a precision that there is not', async () => {
  const { bytes } = await tinyGenerator(gpu);
  const profile = { ...gpu.profile, f16: false };
  const without = new Gpu(gpu.device, profile, { description: 'an old adapter' });
  const refused = await failureOf(loadGenerator(without, bytes, { precision: 'f16' }));
  assert.instance(refused, GpuError);
  assert.is((refused as GpuError).exitCode, 5);
  assert.match(String(refused), /shader-f16, which an old adapter does not offer/);
  const strange = await failureOf(loadGenerator(gpu, bytes, { precision: 'half' as ElementType }));
  assert.match(String(strange), /^UsageError: precision: expected f32 or f16, found half/);
  assert.is(without.memory().liveBytes, 0);
});

suite.run();

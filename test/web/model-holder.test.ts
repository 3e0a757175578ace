/** The demo page's model: of several choices in a row the last is what stays, and the others leave no memory behind. */
import { setTimeout as pause } from 'node:timers/promises';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openGpu } from '../../src/node.ts';
import { ModelHolder } from '../../web/src/worker/model-holder.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';

const suite = createSuite('model of the demo page');
const gpu = await openGpu();
const image = randomImage(16, 16);

async function modelBytes(seed: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array((await tinyGenerator(gpu, seed)).bytes);
}

const first = await modelBytes(5);
const second = await modelBytes(6);

/** What a model makes of the image, when nothing else is loaded; and the buffers that it holds. */
async function alone(bytes: Uint8Array<ArrayBuffer>) {
  await gpu.flush();
  const before = gpu.memory().liveBuffers;
  const holder = new ModelHolder(async () => gpu);
  const model = await holder.choose(1, bytes, 'alone');
  assert.ok(model);
  const { data } = await model.enhance(image);
  const buffers = gpu.memory().liveBuffers - before;
  model.dispose();
  return { data, buffers };
}

/** Opens the device, later the first time than afterwards. */
function slowAtFirst(): () => Promise<Gpu> {
  let calls = 0;
  return async () => {
    if (calls++ === 0) await pause(200);
    return gpu;
  };
}

suite('the later of two choices stays though the first loads slower', async () => {
  const expected = await alone(second);
  const before = gpu.memory().liveBuffers;
  const holder = new ModelHolder(slowAtFirst());
  const loads = [holder.choose(1, first, 'first'), holder.choose(2, second, 'second')];
  const model = await holder.current();
  await Promise.all(loads);
  assert.is(await holder.current(), model);
  assert.is(largestDifference((await model.enhance(image)).data, expected.data), 0);
  assert.is(gpu.memory().liveBuffers - before, expected.buffers);
  model.dispose();
});

suite('bytes that come after those of a later choice are left', async () => {
  const holder = new ModelHolder(async () => gpu);
  const later = await holder.choose(2, second, 'second');
  assert.ok(later);
  assert.is(await holder.choose(1, first, 'first'), undefined);
  assert.is(await holder.current(), later);
  later.dispose();
});

suite('a choice that cannot be loaded leaves the one before, and does not count', async () => {
  const holder = new ModelHolder(async () => gpu);
  const failing = holder.choose(2, new Uint8Array(3), 'broken.safetensors');
  const earlier = holder.choose(1, first, 'first');
  const [broken, kept] = await Promise.allSettled([failing, earlier]);
  assert.is(broken.status, 'rejected');
  if (broken.status === 'rejected') assert.match(String(broken.reason), 'broken.safetensors');
  const model = await holder.current();
  assert.is(kept.status === 'fulfilled' && kept.value, model);
  model.dispose();
});

suite('without a device two calls load one model between them', async () => {
  const { buffers } = await alone(first);
  const holder = new ModelHolder(slowAtFirst());
  (await holder.choose(1, first, 'first'))?.dispose();
  holder.forget();
  const before = gpu.memory().liveBuffers;
  const [one, other] = await Promise.all([holder.current(), holder.current()]);
  assert.is(one, other);
  await one.enhance(image);
  assert.is(gpu.memory().liveBuffers - before, buffers);
  one.dispose();
});

suite('what was loaded onto a device that closed meanwhile is loaded onto the next', async () => {
  const closing = await openGpu();
  const devices = [closing, gpu, gpu, gpu];
  const holder = new ModelHolder(async () => devices.shift() ?? gpu);
  const model = await holder.choose(1, first, 'first');
  assert.is(model?.gpu, gpu);
  model?.dispose();
  closing.close();
});

suite('says that there is no model', async () => {
  const holder = new ModelHolder(async () => gpu);
  try {
    await holder.current();
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), 'no model was loaded');
  }
});

suite.after(() => gpu.close());
suite.run();

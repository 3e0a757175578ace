/** The embedding API in Node: loading, enhancing, devices of the page's own, device loss. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Generator, loadGenerator } from '../../src/embed/generator.ts';
import { CheckpointError, DataError, GpuError, UsageError } from '../../src/errors.ts';
import { useDevice } from '../../src/gpu/open-gpu.ts';
import { openGpu as openWebGpu } from '../../src/gpu/web-gpu.ts';
import { serializeSafetensors } from '../../src/nn/safetensors.ts';
import { openGpu } from '../../src/node.ts';
import { saveCheckpoint } from '../../src/run/checkpoint.ts';
import { enhanceImage } from '../../src/run/enhance-image.ts';
import { enhancerFrom } from '../../src/run/enhancer.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';

const suite = createSuite('generator');

const gpu = await openGpu();
const { architecture, bytes, tensors } = await tinyGenerator(gpu);
const image = randomImage(37, 29);

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return undefined;
}

suite('enhances as the enhance program does, from bytes alone', async () => {
  const model = await loadGenerator(gpu, bytes);
  const found = await model.enhance(image);
  const method = await enhancerFrom(gpu, architecture, tensors, 'tiny');
  const expected = await enhanceImage(gpu, method, image);
  assert.is(largestDifference(found.data, expected.data), 0);
  assert.equal([found.width, found.height], [37, 29]);
  const { data } = found;
  assert.ok(Math.max(...data) - Math.min(...data) > 0.01, 'an image, not one grey');
  assert.equal(model.architecture, architecture);
  method.dispose();
  model.dispose();
  assert.instance(await failureOf(model.enhance(image)), UsageError);
});

suite('takes bytes of every kind, and RGBA, grey bytes and floats alike', async () => {
  const whole = bytes.slice();
  const levels = randomImage(32, 32).data.map((value) => Math.round(255 * value));
  const rgba = new Uint8ClampedArray(4 * levels.length).map((_, i) =>
    i % 4 === 3 ? 255 : levels[i >> 2],
  );
  const expected = await (await loadGenerator(gpu, bytes)).enhance({
    width: 32,
    height: 32,
    data: levels.map((value) => value / 255),
  });
  for (const source of [whole.buffer, new Blob([whole])]) {
    const model = await loadGenerator(gpu, source);
    for (const data of [rgba, Uint8Array.from(levels)]) {
      const found = await model.enhance({ width: 32, height: 32, data });
      assert.is(largestDifference(found.data, expected.data), 0);
    }
    model.dispose();
  }
});

suite('reads the architecture from metadata, an option, or state.json', async () => {
  const bare = serializeSafetensors(tensors);
  assert.match(
    String(await failureOf(loadGenerator(gpu, bare))),
    /CheckpointError.*give \{ architecture \}.*state\.json/,
  );
  (await loadGenerator(gpu, bare, { architecture })).dispose();
  const server = createServer(({ url }, response) => {
    if (url === '/state.json') response.end(JSON.stringify({ step: 3, architecture }));
    else if (url === '/G_H.safetensors') response.end(bare);
    else if (url === '/half') {
      response.writeHead(200, { 'content-length': bare.length });
      response.write(bare.subarray(0, bare.length / 2), () => response.destroy());
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const state = `${base}/state.json`;
  try {
    const model = await loadGenerator(gpu, `${base}/G_H.safetensors`, { state });
    assert.equal(model.architecture, architecture);
    model.dispose();
    const missing = await failureOf(loadGenerator(gpu, new URL(`${base}/none`)));
    assert.instance(missing, DataError);
    assert.match(String(missing), /\/none: cannot be fetched: HTTP 404/);
    const half = await failureOf(loadGenerator(gpu, `${base}/half`, { architecture }));
    assert.instance(half, DataError);
    assert.match(String(half), /\/half: cannot be fetched: TypeError/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

suite('a checkpoint file says itself what it is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-embed-'));
  try {
    const state = {
      step: 2,
      epoch: 0,
      batchIndex: 2,
      architecture,
      rng: {},
      optimizers: {},
      best: {},
    };
    const saved = await saveCheckpoint(folder, 2, { G_H: tensors }, state);
    const model = await loadGenerator(gpu, readFileSync(join(saved, 'G_H.safetensors')));
    assert.equal(model.architecture, architecture);
    model.dispose();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

suite('refuses what is no generator, another one, or no image', async () => {
  const text = new TextEncoder().encode('not a model at all');
  assert.instance(await failureOf(loadGenerator(gpu, text)), DataError);
  const named = await failureOf(loadGenerator(gpu, new File([text], 'mine.safetensors')));
  assert.match(String(named), /^DataError: mine\.safetensors: /);
  const others = new Map([...tensors].map(([key, value]) => [key.replace('G_H', 'D_H'), value]));
  const stranger = await failureOf(
    loadGenerator(gpu, serializeSafetensors(others), { architecture }),
  );
  assert.match(String(stranger), /^CheckpointError: .*expected floats of G_H, found D_H/);
  const wider = { ...architecture, ngf: 4 };
  const misfit = await failureOf(loadGenerator(gpu, bytes, { architecture: wider }));
  assert.instance(misfit, CheckpointError);
  assert.match(String(misfit), /has shape/);
  const model = await loadGenerator(gpu, bytes);
  const nan = { width: 1, height: 1, data: Float32Array.of(Number.NaN) };
  assert.instance(await failureOf(model.enhance(nan)), DataError);
  const short = { width: 9, height: 9, data: new Uint8Array(80) };
  assert.instance(await failureOf(model.enhance(short)), DataError);
  for (const data of [new Float64Array(4).fill(0.5), new Uint16Array(16)]) {
    const foreign = { width: 2, height: 2, data: data as unknown as Float32Array };
    assert.match(
      String(await failureOf(model.enhance(foreign))),
      /^DataError: .*found (Float64|Uint16)Array/,
    );
  }
  const vast = { width: 20_000, height: 20_000, data: new Uint8Array(0) };
  assert.match(String(await failureOf(model.enhance(vast))), /found 20000x20000/);
  assert.instance(await failureOf(model.enhance(image, { tile: -1 })), UsageError);
  model.dispose();
});

suite('tells progress of tiles and stops when asked', async () => {
  const model = await loadGenerator(gpu, bytes);
  const large = randomImage(70, 50);
  const seen: string[] = [];
  const options = { tile: 32, overlap: 4 };
  await model.enhance(large, { ...options, onProgress: (...parts) => seen.push(parts.join('/')) });
  assert.equal(seen, ['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
  const stop = new AbortController();
  let done = 0;
  const stopped = await failureOf(
    model.enhance(large, {
      ...options,
      signal: stop.signal,
      onProgress: () => {
        done++;
        if (done === 2) stop.abort();
      },
    }),
  );
  assert.is((stopped as DOMException).name, 'AbortError');
  assert.is(done, 2);
  assert.instance(await failureOf(model.enhance(large, { signal: AbortSignal.abort() })), Error);
  model.dispose();
});

suite('leaves no memory behind', async () => {
  const before = gpu.memory().liveBuffers;
  const model = await loadGenerator(gpu, bytes);
  await model.enhance(image);
  const loaded = gpu.memory().liveBuffers;
  for (let i = 0; i < 3; i++) await model.enhance(image, { tile: 16 });
  assert.is(gpu.memory().liveBuffers, loaded);
  model.dispose();
  await gpu.flush();
  assert.is(gpu.memory().liveBuffers, before);
});

suite('an image that is too large leaves no memory behind, and goes in tiles', async () => {
  const small = await openGpu({ memoryBudget: 2 ** 20 });
  const model = await loadGenerator(small, bytes);
  const before = small.memory().liveBytes;
  const large = randomImage(512, 384);
  for (let i = 0; i < 2; i++) {
    const failure = await failureOf(model.enhance(large));
    assert.is((failure as GpuError).reason, 'out-of-memory', String(failure));
    assert.is(small.memory().liveBytes, before);
  }
  const plenty = await loadGenerator(gpu, bytes);
  const expected = await plenty.enhance(large, { tile: 64 });
  plenty.dispose();
  const found = await model.enhance(large, { tile: 64 });
  assert.is(largestDifference(found.data, expected.data), 0);
  small.close();
});

suite('an image under way is not disturbed by disposal, nor by a model that takes the memory', async () => {
  const options = { tile: 16 };
  const before = gpu.memory().liveBuffers;
  const kept = await loadGenerator(gpu, bytes);
  const expected = await kept.enhance(image, options);
  kept.dispose();
  const model = await loadGenerator(gpu, bytes);
  const other = (await tinyGenerator(gpu, 6)).bytes;
  const next: Promise<Generator>[] = [];
  const onProgress = (done: number) => {
    if (done !== 2) return;
    model.dispose();
    next.push(loadGenerator(gpu, other));
  };
  const found = await model.enhance(image, { ...options, onProgress });
  assert.is(largestDifference(found.data, expected.data), 0);
  assert.instance(await failureOf(model.enhance(image)), UsageError);
  for (const loaded of await Promise.all(next)) loaded.dispose();
  model.dispose();
  assert.is(gpu.memory().liveBuffers, before);
});

suite('works on a device that the page has, and leaves it alive', async () => {
  const host = await openGpu();
  const plain = useDevice(host.device);
  const expected = await (await loadGenerator(gpu, bytes)).enhance(image);
  const model = await loadGenerator(await openGpu({ device: host.device }), bytes);
  assert.ok(largestDifference((await model.enhance(image)).data, expected.data) < 1e-5);
  model.gpu.close();
  assert.instance(await failureOf(model.enhance(image)), GpuError);
  // The device still works for others.
  const storage = plain.upload(Float32Array.of(1, 2));
  assert.equal([...new Float32Array(await plain.read(storage, 2))], [1, 2]);
  plain.close();
  host.close();
});

suite('a lost device is told once, fails clearly, and another takes over', async () => {
  const first = await openGpu();
  const model = await loadGenerator(first, bytes);
  const before = await model.enhance(image);
  const losses: string[] = [];
  const heard = new Promise<void>((resolve) => {
    first.onLost(({ reason }) => {
      losses.push(reason);
      resolve();
    });
  });
  const forgotten = first.onLost(() => losses.push('taken back'));
  forgotten();
  first.device.destroy();
  await heard;
  assert.equal(losses, ['destroyed']);
  first.onLost(({ reason }) => losses.push(`late: ${reason}`));
  assert.equal(losses, ['destroyed', 'late: destroyed']);
  const failure = await failureOf(model.enhance(image));
  assert.instance(failure, GpuError);
  assert.is((failure as GpuError).reason, 'lost');
  first.close();
  const second = await openGpu();
  const again = await (await loadGenerator(second, bytes)).enhance(image);
  assert.is(largestDifference(again.data, before.data), 0);
  second.onLost(() => losses.push('closing is no loss'));
  second.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(losses.length, 2);
});

suite('says what to do where WebGPU is missing', async () => {
  const failure = await failureOf(openWebGpu());
  assert.instance(failure, GpuError);
  assert.is((failure as GpuError).reason, 'unsupported');
  assert.match(String(failure), /use Chrome or Edge/);
});

suite.after(() => gpu.close());
suite.run();

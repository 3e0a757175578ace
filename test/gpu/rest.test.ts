/** What the main thread does while a device works. */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import { restWhile } from '../../src/gpu/rest.node.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('rest');

suite('ends with what it waits for, be it kept or broken', async () => {
  await restWhile(Promise.resolve(1));
  await restWhile(Promise.reject(new Error('lost')));
  const start = performance.now();
  await restWhile(sleep(100));
  const waited = performance.now() - start;
  assert.ok(waited >= 99, `${waited} ms`);
});

suite('leaves the processor alone, and the event loop alive', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 20);
  const before = process.cpuUsage();
  await restWhile(sleep(1000));
  const { user, system } = process.cpuUsage(before);
  clearInterval(timer);
  // Polling without pauses takes the whole second.
  assert.ok((user + system) / 1000 < 400, `${(user + system) / 1000} ms of processor time`);
  assert.ok(turns > 10, `${turns} turns of a timer`);
});

suite('a device opened in Node is waited for in this way', async () => {
  let waits = 0;
  const gpu = await openNodeGpu({
    rest: (pending) => {
      waits++;
      return restWhile(pending);
    },
  });
  assert.equal(await tensorFrom(gpu, [1, 2], [2]).read(), Float32Array.of(1, 2));
  await gpu.finish();
  assert.is(waits, 2);
  gpu.close();
});

suite.run();

/** Steps that are repeated instead of recorded: the same bits. All methods that allow it: the slow test. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { KernelChoices } from '../../src/gpu/choices.ts';
import type { Method } from '../../src/methods/method.ts';
import { StepRunner } from '../../src/methods/step-runner.ts';
import { openNodeGpu } from '../../src/node.ts';
import { differences, RepeatedSteps } from '../support/repeated-steps.ts';

const suite = createSuite('step runner');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
const steps = await RepeatedSteps.open(gpu, 32, 20);

const PROPOSED = { levels: 3, perceptual: 'none' };

suite('what comes in between costs a recording at most', async () => {
  const expected = await steps.recorded(PROPOSED);
  const held: ReturnType<typeof gpu.upload>[] = [];
  const { result, replayed } = await steps.repeated(PROPOSED, (step) => {
    for (const storage of held.splice(0)) gpu.dispose(storage);
    // Frees what steps use in between, ...
    if (step === 7) gpu.trim();
    // ... holds it during a step, ...
    if (step === 14) {
      for (let i = 0; i < 40; i++) {
        held.push(gpu.upload(new Float32Array(64 << (i % 8)).fill(Number.NaN)));
      }
    }
    // ... and takes other kernels (here the same ones) from now on.
    if (step === 18) gpu.choices = new KernelChoices();
  });
  for (const step of [7, 14, 18]) assert.not(replayed.includes(step), `repeated: ${replayed}`);
  for (const step of [5, 13, 17]) assert.ok(replayed.includes(step), `repeated: ${replayed}`);
  assert.equal(differences(result, expected), []);
});

suite('a method that does not say that its steps may be repeated has them recorded', async () => {
  const method = steps.make(PROPOSED);
  const silent: Method = Object.create(method, { isReplayable: { value: undefined } });
  const runner = new StepRunner(gpu, silent);
  for (let step = 0; step < 4; step++) {
    runner.step(steps.imagesOf(step), { step, learningRate: 1e-3 });
    await gpu.flush();
  }
  assert.is(runner.replays, 0);
  runner.dispose();
  method.dispose();
});

suite('superpixels and the weight of consistency follow the step that is repeated', async () => {
  const options = { method: 'mspgan', blocks: 1, layers: 1, heads: 1, 'ramp-steps': 12 };
  const { result, replayed } = await steps.repeated(options);
  assert.ok(replayed.length >= 3, `repeated: ${replayed}`);
  assert.equal(differences(result, await steps.recorded(options)), []);
});

suite('a runner gives back all that it holds', async () => {
  const method = steps.make(PROPOSED);
  await gpu.flush();
  const before = gpu.memory().liveBytes;
  const runner = new StepRunner(gpu, method);
  for (let step = 0; step < 5; step++) {
    runner.step(steps.imagesOf(step), { step, learningRate: 1e-3 });
    await gpu.flush();
  }
  assert.ok(runner.replays > 0);
  assert.ok(gpu.memory().liveBytes > before);
  runner.dispose();
  assert.is(gpu.memory().liveBytes, before);
  method.dispose();
});

suite.run();

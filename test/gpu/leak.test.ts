/**
 * A training step gives back all memory that it takes, and soon makes nothing new. `npm run bench:step`
 * does the same over a hundred steps of larger ones.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { PROPOSED_DEFAULTS, ProposedMethod } from '../../src/methods/proposed.ts';
import { nonFiniteLosses, StepLog } from '../../src/methods/step-log.ts';
import { openNodeGpu } from '../../src/node.ts';
import { openPerceptual } from '../../src/run/perceptual.ts';

const STEPS = 24;

/** Steps after which everything has been seen, and the pool has found its final choice of buffers. */
const WARM_UP = 6;

const SIZE = 64;
const BATCH = 1;

const suite = createSuite('leaks');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

function image(step: number) {
  const data = Float32Array.from({ length: BATCH * SIZE * SIZE }, (_, i) =>
    Math.sin(0.37 * i + 0.11 * (i % SIZE) * step + step),
  );
  return tensorFrom(gpu, data, [BATCH, 1, SIZE, SIZE]);
}

function inventory(device: Gpu) {
  const { liveBytes, liveBuffers, pooledBytes, peakBytes } = device.memory();
  return {
    liveBytes,
    liveBuffers,
    pooledBytes,
    peakBytes,
    pipelines: device.pipelines.size,
    bindGroups: device.recorder.bindGroupsCreated,
    pendingCommands: device.recorder.pendingCommands,
  };
}

suite(`${STEPS} steps of training hold no more than ${WARM_UP}, and all is given back`, async () => {
  const before = inventory(gpu);
  const perceptual = await openPerceptual(gpu, 'random-features', undefined);
  const method = new ProposedMethod(
    gpu,
    { ...PROPOSED_DEFAULTS, ngf: 2, ndf: 2, levels: 6, dropout: 0.5 },
    perceptual,
  );
  const log = new StepLog(gpu, method, 4);
  let warm: ReturnType<typeof inventory> | undefined;
  for (let step = 0; step < STEPS; step++) {
    gpu.scope(() => {
      const batch = { low: image(step), high: image(step + 1000) };
      log.append(method.trainStep(batch, { step, learningRate: 1e-4 }));
    });
    await gpu.flush();
    if (log.isFull) {
      for (const values of await log.drain()) assert.equal(nonFiniteLosses(values), []);
    }
    if (step + 1 === WARM_UP) warm = inventory(gpu);
    if (step + 1 > WARM_UP) assert.equal(inventory(gpu), warm, `after step ${step + 1}`);
  }
  assert.ok((warm?.pooledBytes ?? 0) > 0);
  log.dispose();
  method.dispose();
  perceptual?.dispose();
  const after = inventory(gpu);
  assert.is(after.liveBytes, before.liveBytes);
  assert.is(after.liveBuffers, before.liveBuffers);
});

suite.run();

/** One training step of the proposed method with the kernel variants for GPUs. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import { asGpu } from '../support/as-gpu.ts';
import { assertGradients } from '../support/assert-trajectory.ts';
import { compileQuickly } from '../support/gpu-variants.ts';
import { document, follow } from '../support/trajectory.ts';

const suite = createSuite('step on GPUs');
compileQuickly();
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

suite('a step goes as with the kernels for CPU drivers, and as in PyTorch', async () => {
  const name = 'no_perceptual';
  const variant = document.variants[name];
  const once = { ...variant, steps: 1 };
  const found = await follow(asGpu(gpu), once);
  const expected = await follow(gpu, once);
  assert.is(found.losses.length, 1);
  for (const [loss, value] of Object.entries(expected.losses[0])) {
    const difference = Math.abs(found.losses[0][loss] - value);
    assert.ok(difference <= 1e-5 * Math.abs(value), `${loss}: ${found.losses[0][loss]}, ${value}`);
  }
  // As far from PyTorch in f64 as PyTorch in f32 may be.
  assertGradients(found, variant, name);
});

suite.run();

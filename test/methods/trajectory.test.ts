/** Ten training steps without perceptual loss against PyTorch; needs no weights file. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import { assertGradients, assertLosses, assertUpdates } from '../support/assert-trajectory.ts';
import { document, follow } from '../support/trajectory.ts';

const suite = createSuite('trajectory');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

suite('ten steps without perceptual loss go as in PyTorch', async () => {
  const name = 'no_perceptual';
  const variant = document.variants[name];
  assert.is(variant.steps, 10);
  const labels = new Set(variant.losses.map(({ target_H }) => target_H));
  assert.equal([...labels], [1, 0.9], 'the smoothed label is exercised');
  const found = await follow(gpu, variant);
  assertGradients(found, variant, name);
  assertLosses(found, variant);
  assertUpdates(found, variant, name);
});

suite.run();

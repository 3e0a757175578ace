/** Ten training steps with LPIPS-SqueezeNet against PyTorch; needs its trained weights. */
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import { openPerceptual } from '../../src/run/perceptual.ts';
import { assertGradients, assertLosses, assertUpdates } from '../support/assert-trajectory.ts';
import { document, follow } from '../support/trajectory.ts';

const suite = createSuite('trajectory with perceptual loss');
const data = process.env.SONOLIFT_DATA;

/** `levels6` is chaotic: its bounds grow to about 5 % of the losses, only step 1 is tight. */
const VARIANTS = ['squeeze', 'levels6'];

if (data === undefined) {
  console.log('trajectory-perceptual: skipped, SONOLIFT_DATA is not set');
  for (const name of VARIANTS) suite.skip(name);
} else {
  const gpu = await openNodeGpu();
  suite.after(() => gpu.close());
  for (const name of VARIANTS) {
    suite(`${name}: ten steps go as in PyTorch`, async () => {
      const variant = document.variants[name];
      assert.is(variant.steps, 10);
      const perceptual = await openPerceptual(gpu, 'squeeze', join(data, 'weights'));
      const found = await follow(gpu, variant, perceptual);
      perceptual?.dispose();
      assertGradients(found, variant, name);
      assertLosses(found, variant);
      assertUpdates(found, variant, name);
    });
  }
}

suite.run();

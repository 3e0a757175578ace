/** All variants that a GPU may choose from, on the device of this machine, against the default. */
import { suite as createSuite } from 'uvu';
import { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeGpu } from '../../src/node.ts';
import { assertVariantsAgree, squareGeometry } from '../support/convolution-contests.ts';
import { compileQuickly } from '../support/gpu-variants.ts';

compileQuickly();
const suite = createSuite('kernel choice on GPUs');
const opened = await openNodeGpu();
suite.after(() => opened.close());

suite('every variant agrees with the default', async () => {
  const { device, profile, keepAlive } = opened;
  // With the subgroups that the device has, so that the variants that need them take part.
  const gpu = new Gpu(device, { ...profile, kind: 'gpu' }, { keepAlive });
  await assertVariantsAgree(gpu, [
    squareGeometry(2, 16, 8, 16),
    squareGeometry(1, 12, 4, 24, 4, 2),
    squareGeometry(1, 32, 6, 64),
    squareGeometry(1, 130, 5, 3),
    squareGeometry(1, 20, 12, 128, 4, 2),
  ]);
});

suite.run();

/**
 * LPIPS with the trained weights gives the distances that the authors' own program gives for their
 * example images (`lpips-images/reference.json`).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { noGrad } from '../../src/autograd/tape.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { loadPerceptualWeights } from '../../src/nn/load-weights.node.ts';
import { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import { openNodeGpu } from '../../src/node.ts';

/** By pair of images, `first|second`. */
type Reference = Readonly<
  Record<string, { readonly total: number; readonly layers: readonly number[] }>
>;

const TOLERANCE = 1e-4;

const suite = createSuite('LPIPS reference values');
const data = process.env.SONOLIFT_DATA;

/** An RGB image as `[1,3,H,W]` in [-1, 1]. */
function loadImage(gpu: Gpu, path: string): Tensor {
  const { width, height, data: rgba } = PNG.sync.read(readFileSync(path));
  const pixels = width * height;
  const values = Float32Array.from(
    { length: 3 * pixels },
    (_, i) => rgba[4 * (i % pixels) + Math.floor(i / pixels)] / 127.5 - 1,
  );
  return tensorFrom(gpu, values, [1, 3, height, width]);
}

if (data === undefined) {
  console.log('lpips-reference: skipped, SONOLIFT_DATA is not set');
  suite.skip('distances of the example images');
} else {
  const gpu = await openNodeGpu();
  suite.after(() => gpu.close());
  const images = join(data, 'lpips-images');
  const reference = JSON.parse(readFileSync(join(images, 'reference.json'), 'utf8')) as Readonly<
    Record<'alex' | 'squeeze', Reference>
  >;
  for (const name of ['alex', 'squeeze'] as const) {
    suite(`${name}: distances of the example images`, async () => {
      const weights = await loadPerceptualWeights(join(data, 'weights'), name);
      const distance = new PerceptualDistance(gpu, name, weights);
      const pairs = Object.entries(reference[name]);
      assert.is(pairs.length, 2);
      for (const [pair, { total, layers }] of pairs) {
        const features = pair
          .split('|')
          .map((file) =>
            noGrad(() => distance.features(loadImage(gpu, join(images, `${file}.png`)))),
          );
        const [first, second] = features;
        const close = async (what: string, found: Tensor, expected: number): Promise<void> => {
          const [value] = await found.read();
          assert.ok(
            Math.abs(value - expected) <= TOLERANCE,
            `${name} ${pair} ${what}: found ${value}, expected ${expected}`,
          );
        };
        const shares = distance.shares(first, second);
        assert.is(shares.length, layers.length);
        for (const [slice, share] of shares.entries()) {
          await close(`layer ${slice}`, share, layers[slice]);
        }
        await close('total', distance.distance(first, second), total);
      }
      distance.dispose();
    });
  }
}

suite.run();

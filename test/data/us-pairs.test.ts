import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage } from '../../src/data/image.node.ts';
import { findPairs, folderSource } from '../../src/data/layout.node.ts';
import { PairLoader } from '../../src/data/loader.ts';
import { selectPairs } from '../../src/data/pairs.ts';
import { degrade } from '../../src/data/simulator/simulator.ts';
import { splitPairs } from '../../src/data/split.ts';
import { psnr } from '../../src/metrics/psnr.ts';
import { ssim } from '../../src/metrics/ssim.ts';

const suite = createSuite('us-pairs');
const data = process.env.SONOLIFT_DATA;

if (data === undefined) {
  console.log('us-pairs: skipped, SONOLIFT_DATA is not set');
} else {
  suite('finds, splits and loads the real pairs', async () => {
    const pairs = findPairs(join(data, 'us-pairs'));
    assert.is(pairs.length, 387);
    const split = splitPairs(pairs, 1);
    assert.equal([split.train.length, split.val.length, split.test.length], [271, 39, 77]);
    const source = selectPairs(folderSource(pairs), split.test);
    const loader = new PairLoader(source, { batch: 4, size: 64 });
    assert.is(loader.batchesPerEpoch, 20);
    const { low, high, shape } = await loader.batch(0, 19);
    assert.equal(shape, [1, 1, 64, 64]);
    for (const images of [low, high]) {
      assert.ok(images.every((value) => value >= -1 && value <= 1));
      assert.ok(new Set(images).size > 20);
    }
  });

  suite('degrades real pictures about as far as the stored hand-held views', () => {
    const pairs = findPairs(join(data, 'us-pairs')).filter((_, index) => index % 24 === 3);
    // Sixteen pictures and random gains: the means scatter by about 1 dB.
    const difference = { psnr: 0, ssim: 0 };
    for (const [index, pair] of pairs.entries()) {
      const high = readImage(pair.high);
      const { width, height } = high;
      const stored = readImage(pair.low).data;
      const made = degrade(high, { seed: 1, index }).data;
      const compare = (metric: typeof psnr): number =>
        metric(made, high.data, height, width) - metric(stored, high.data, height, width);
      difference.psnr += compare(psnr) / pairs.length;
      difference.ssim += compare(ssim) / pairs.length;
    }
    assert.ok(Math.abs(difference.psnr) < 2.5, `PSNR difference ${difference.psnr}`);
    assert.ok(Math.abs(difference.ssim) < 0.08, `SSIM difference ${difference.ssim}`);
  });
}

suite.run();

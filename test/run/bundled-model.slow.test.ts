/** The bundled model: small enough, and on held-out pairs what its card says. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPairs, folderSource } from '../../src/data/layout.node.ts';
import { PairLoader } from '../../src/data/loader.ts';
import { selectPairs } from '../../src/data/pairs.ts';
import { splitPairs } from '../../src/data/split.ts';
import {
  DEFAULT_HOST_METRICS,
  HOST_METRICS,
  isBetter,
  metricNamed,
} from '../../src/metrics/metrics.ts';
import { loadPerceptualWeights } from '../../src/nn/load-weights.node.ts';
import { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import { openNodeGpu } from '../../src/node.ts';
import { readBundledModel } from '../../src/run/bundled-model.ts';
import { enhancerFrom } from '../../src/run/enhancer.ts';
import { averageScores, evaluatePairs } from '../../src/run/evaluate.ts';

const suite = createSuite('bundled model');
const data = process.env.SONOLIFT_DATA;
const card = readFileSync(
  fileURLToPath(new URL('../../docs/model-card.md', import.meta.url)),
  'utf8',
);
const LARGEST = 4 * 2 ** 20;

/** Columns of the card's table of scores. */
const COLUMNS = ['psnr', 'ssim', 'lncc_paper', 'lncc', 'lpips_alex', 'lpips_squeeze'] as const;
/** Other drivers sum in another order; the card's model had whole floats. In units of its last digit. */
const TOLERANCE = 1.5;

/** Mean scores of all held-out pairs as the card tells them, reference low and enhanced. */
function cardScores(): Map<string, readonly [low: string, enhanced: string]> {
  const [, ...cells] = /^\| \*\*all\*\* \|.*$/m.exec(card)?.[0].split('|').slice(1, -1) ?? [];
  const pairs = cells.slice(1).map((cell) => cell.replaceAll('*', '').trim().split(' → '));
  assert.is(pairs.length, COLUMNS.length, 'columns of the card');
  return new Map(COLUMNS.map((name, index) => [name, [pairs[index][0], pairs[index][1]]]));
}

suite('half floats, at most 4 MiB, with data, licences and a warning in its card', () => {
  const { path, tensors, architecture } = readBundledModel();
  assert.ok(statSync(path).size <= LARGEST, `${statSync(path).size} bytes`);
  assert.ok(tensors.size > 8);
  assert.is(architecture.method, 'proposed');
  for (const words of ['Not a medical device', 'CC-BY-4.0', 'npx tsx src/train', 'licence | MIT']) {
    assert.ok(card.includes(words), words);
  }
});

if (data === undefined) {
  console.log('bundled model: scores skipped, SONOLIFT_DATA is not set');
  suite.skip('beats the low-quality images on held-out pairs, by what its card says');
} else {
  suite('beats the low-quality images on held-out pairs, by what its card says', async () => {
    const pairs = findPairs(join(data, 'us-pairs'));
    const source = selectPairs(folderSource(pairs), splitPairs(pairs, 0).test);
    assert.is(source.pairs.length, 77);
    const gpu = await openNodeGpu();
    const { architecture, tensors, path } = readBundledModel();
    const method = await enhancerFrom(gpu, architecture, tensors, path);
    const perceptual: PerceptualDistance[] = [];
    for (const name of ['alex', 'squeeze'] as const) {
      const weights = await loadPerceptualWeights(join(data, 'weights'), name);
      perceptual.push(new PerceptualDistance(gpu, name, weights));
    }
    const metrics = HOST_METRICS.filter(({ name }) => DEFAULT_HOST_METRICS.includes(name));
    const loader = new PairLoader(source, { batch: 1, size: 256, fit: 'crop', crops: 'centre' });
    const results = await evaluatePairs(gpu, method, loader, { metrics, perceptual });
    gpu.close();
    const low = averageScores(results, 'reference');
    const enhanced = averageScores(results, 'enhanced');
    for (const [name, told] of cardScores()) {
      console.log(`${name}: ${low[name].toFixed(4)} → ${enhanced[name].toFixed(4)}`);
      assert.ok(isBetter(metricNamed(name).direction, enhanced[name], low[name]), name);
      for (const [index, found] of [low[name], enhanced[name]].entries()) {
        const unit = 10 ** -(told[index].split('.')[1]?.length ?? 0);
        const difference = Math.abs(found - Number(told[index]));
        assert.ok(difference <= TOLERANCE * unit, `${name}: card ${told[index]}, found ${found}`);
      }
    }
  });
}

suite.run();

import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { kendallTau, orderTable, placesOf } from '../../src/eval/benchmark/paper-order.ts';
import { metricNamed } from '../../src/metrics/metrics.ts';
import { rankSystems } from '../../src/metrics/ranking.ts';

const suite = createSuite('order beside the paper');

suite("Kendall's tau, as SciPy's kendalltau gives it", () => {
  assert.is(kendallTau([1, 2, 3], [10, 20, 30]), 1);
  assert.is(kendallTau([1, 2, 3], [3, 2, 1]), -1);
  assert.ok(Math.abs(kendallTau([1, 2, 3, 4], [1, 3, 2, 4]) - 2 / 3) < 1e-15);
  // Ties: scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) is -0.47140452079103173.
  assert.ok(Math.abs(kendallTau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) + 0.47140452079103173) < 1e-15);
});

suite('places share ties and follow the direction', () => {
  assert.equal(placesOf([3, 1, 3, 2], 'higher'), [1, 4, 1, 3]);
  assert.equal(placesOf([3, 1, 3, 2], 'lower'), [3, 1, 3, 2]);
});

const system = (id: string, psnr: number, lpips: number) => ({
  id,
  label: id,
  scores: { psnr: [psnr, psnr], lpips_alex: [lpips, lpips] },
});

suite("ours beside the paper's, of the systems that both have", () => {
  const metrics = ['psnr', 'lpips_alex'];
  // By the paper's PSNR: pix2pix, proposed, cyclegan, reference low.
  const ranked = rankSystems(
    [
      system('reference-low', 14, 0.5),
      system('pix2pix', 16, 0.3),
      system('cyclegan', 15.5, 0.2),
      system('proposed', 15, 0.1),
      system('proposed+wide', 99, 0.01),
    ],
    metrics,
    'proposed',
  );
  const table = orderTable(ranked, metrics.map(metricNamed));
  assert.equal(
    table?.rows.map((row) => row.map(({ text }) => text)),
    [
      ['reference-low', '4 (4)', '4 (4)'],
      ['pix2pix', '1 (1)', '3 (2)'],
      ['cyclegan', '2 (3)', '2 (3)'],
      ['proposed', '3 (2)', '1 (1)'],
    ],
  );
  assert.match(table?.notes[0] ?? '', 'PSNR 0.67, LPIPS (Alex) 0.67');
  assert.is(orderTable(ranked.slice(0, 2), metrics.map(metricNamed)), undefined);
});

suite.run();

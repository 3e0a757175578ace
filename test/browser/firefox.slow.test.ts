/**
 * Ops, enhancing and training in a page of Firefox, whose WebGPU shares no code with Dawn: another parser and
 * compiler of WGSL, no subgroups, and a tenth of a second for each answer. It needs a Firefox that offers WebGPU on
 * this machine (153 does on lavapipe): SONOLIFT_FIREFOX names its program.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { OPS } from '../../src/autograd/registry/index.ts';
import { loadGenerator } from '../../src/embed/generator.ts';
import { PairTrainer } from '../../src/embed/pair-trainer.ts';
import { openNodeGpu } from '../../src/node.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';
import { TRAINER_OPTIONS, trainingPairs } from '../support/training-pairs.ts';
import type { EnhanceTask } from './embed.ts';
import { evaluateInFirefox } from './firefox.ts';
import type { PageReport } from './op-suite.ts';

const suite = createSuite('Firefox');

const firefox = process.env.SONOLIFT_FIREFOX;

/** Minutes for all rows: waiting for answers is most of it. */
const OPS_LIMIT = 40;
const LIMIT = 10;

/** Rows whose kernels differ on GPUs most. */
const GPU_ROWS = ['conv2d', 'convTranspose2d', 'conv2d_branches', 'instance_norm', 'mix_tokens'];

const ENHANCE_TOLERANCE = 1e-5;
/** Relative; another compiler rounds otherwise, and Adam's first steps divide by small gradients. */
const LOSS_TOLERANCE = 1e-3;
const STEPS = 10;

if (!firefox) {
  console.log('firefox: skipped, SONOLIFT_FIREFOX does not name one');
  suite.skip('every op agrees with its reference');
} else {
  const checkRows = async (expression: string, names: readonly string[]): Promise<void> => {
    const options = { minutes: OPS_LIMIT };
    const report = await evaluateInFirefox<PageReport>(firefox, 'op-suite.ts', expression, options);
    console.log(`${report.adapter}; ${report.userAgent}`);
    assert.match(report.userAgent, /Firefox/);
    assert.equal(
      report.rows.map(({ name }) => name),
      names,
    );
    const faults = report.rows.flatMap((row) => row.faults.map((fault) => `${row.name}: ${fault}`));
    assert.equal(faults, []);
    assert.ok(report.rows.every(({ samples }) => samples > 0));
  };

  suite('every op agrees with its reference', () =>
    checkRows(
      'runOpSuite()',
      OPS.map(({ name }) => name),
    ));

  suite('kernels for GPUs agree with their reference', () =>
    checkRows(
      `runOpSuite(${JSON.stringify(GPU_ROWS)}, 'gpu')`,
      OPS.map(({ name }) => name).filter((name) => GPU_ROWS.includes(name)),
    ));

  suite('a page enhances as Node does', async () => {
    const gpu = await openNodeGpu();
    const { bytes } = await tinyGenerator(gpu);
    const model = await loadGenerator(gpu, bytes);
    const image = randomImage(75, 50);
    const expected = (await model.enhance(image, { tile: 32 })).data;
    gpu.close();
    const address = '/G_H.safetensors';
    const task: EnhanceTask = {
      model: address,
      image: { ...image, data: [...image.data] },
      tile: 32,
    };
    const found = await evaluateInFirefox<number[]>(
      firefox,
      'embed.ts',
      `tasks.enhance(${JSON.stringify(task)})`,
      { minutes: LIMIT, files: new Map([[address, bytes]]) },
    );
    const difference = largestDifference(found, expected);
    console.log(`enhanced: largest difference ${difference.toExponential(1)}`);
    assert.ok(difference <= ENHANCE_TOLERANCE);
  });

  suite('ten training steps have the losses of Node', async () => {
    const gpu = await openNodeGpu();
    const trainer = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
    const expected = await trainer.trainSteps(STEPS);
    trainer.dispose();
    gpu.close();
    const found = await evaluateInFirefox<Record<string, number>[]>(
      firefox,
      'embed.ts',
      `tasks.train(${STEPS})`,
      { minutes: LIMIT },
    );
    assert.is(found.length, STEPS);
    let largest = 0;
    expected.forEach(({ losses }, step) => {
      for (const [name, value] of Object.entries(losses)) {
        const difference = Math.abs(found[step][name] - value) / Math.max(1e-2, Math.abs(value));
        largest = Math.max(largest, difference);
        assert.ok(difference <= LOSS_TOLERANCE, `step ${step + 1}: ${name} ${difference}`);
      }
    });
    console.log(`${STEPS} steps: largest relative difference ${largest.toExponential(1)}`);
  });
}

suite.run();

/** Training on pairs in memory. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadGenerator } from '../../src/embed/generator.ts';
import { PairTrainer, type TrainedStep } from '../../src/embed/pair-trainer.ts';
import { DataError, NumericalError, UsageError } from '../../src/errors.ts';
import { openGpu } from '../../src/node.ts';
import { largestDifference, randomImage } from '../support/tiny-generator.ts';
import { TRAINER_OPTIONS, trainingPairs } from '../support/training-pairs.ts';

const suite = createSuite('pair trainer');

const gpu = await openGpu();

async function run(trainer: PairTrainer, steps: number): Promise<TrainedStep[]> {
  const done: TrainedStep[] = [];
  for (let step = 0; step < steps; step++) done.push(await trainer.trainStep());
  return done;
}

suite('trains, the same way each time, and gives its memory back', async () => {
  await gpu.flush();
  const before = gpu.memory().liveBuffers;
  const runs: TrainedStep[][] = [];
  for (let repeat = 0; repeat < 2; repeat++) {
    const trainer = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
    runs.push(await run(trainer, 12));
    trainer.dispose();
  }
  await gpu.flush();
  assert.is(gpu.memory().liveBuffers, before);
  const [first, second] = runs;
  assert.equal(first, second);
  // Six pairs in batches of two: three steps an epoch.
  assert.equal(first.map(({ step, epoch }) => `${step}:${epoch}`).slice(0, 5), [
    '1:0',
    '2:0',
    '3:0',
    '4:1',
    '5:1',
  ]);
  const meanL1 = (steps: TrainedStep[]) =>
    steps.reduce((sum, { losses }) => sum + losses.G_l1_H, 0) / steps.length;
  assert.ok(meanL1(first.slice(9)) < meanL1(first.slice(0, 3)), 'L1 falls over the epochs');
  assert.ok(first[0].losses.G_perceptual_H > 0);
});

suite('asks the device once a step, for all losses together', async () => {
  const trainer = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
  await run(trainer, 1);
  const read = gpu.read.bind(gpu);
  let reads = 0;
  gpu.read = (storage, length) => {
    reads++;
    return read(storage, length);
  };
  try {
    await run(trainer, 3);
    assert.is(reads, 3);
    assert.is((await trainer.trainSteps(5)).length, 5);
    assert.is(reads, 4);
  } finally {
    gpu.read = read;
  }
  trainer.dispose();
});

suite('takes several steps at once as it takes them one by one', async () => {
  const [single, several] = [0, 1].map(
    () => new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS),
  );
  const expected = await run(single, 9);
  const found = [...(await several.trainSteps(1)), ...(await several.trainSteps(7))];
  found.push(await several.trainStep());
  assert.equal(found, expected);
  for (const count of [0, 1.5, 65, Number.NaN]) {
    try {
      await several.trainSteps(count);
      assert.unreachable(`${count} steps`);
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match(String(error), `1 to 64, found ${count}`);
    }
  }
  assert.is(several.step, 9);
  single.dispose();
  several.dispose();
});

suite('disposed of while something is under way, ends that first and takes no more', async () => {
  await gpu.flush();
  const before = gpu.memory().liveBuffers;
  const image = randomImage(64, 64);
  const kept = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
  const untrained = await kept.enhance(image, { tile: 32 });
  const expected = await kept.trainSteps(3);
  kept.dispose();
  const begun: readonly ((trainer: PairTrainer) => Promise<void>)[] = [
    async (trainer) => assert.equal(await trainer.trainSteps(3), expected),
    async (trainer) => assert.equal(await trainer.trainStep(), expected[0]),
    async (trainer) => {
      const onProgress = () => trainer.dispose();
      const found = await trainer.enhance(image, { tile: 32, onProgress });
      assert.is(largestDifference(found.data, untrained.data), 0);
    },
  ];
  for (const begin of begun) {
    const trainer = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
    const underway = begin(trainer);
    trainer.dispose();
    trainer.dispose();
    const late = [trainer.trainStep(), trainer.enhance(image), trainer.exportGenerator()];
    for (const result of await Promise.allSettled(late)) {
      assert.is(result.status, 'rejected');
      if (result.status === 'rejected') {
        assert.instance(result.reason, UsageError);
        assert.match(String(result.reason), 'this trainer was disposed of');
      }
    }
    await underway;
  }
  await gpu.flush();
  assert.is(gpu.memory().liveBuffers, before);
});

suite('exports a generator that enhances as the trainer does', async () => {
  const trainer = new PairTrainer(gpu, trainingPairs(), { ...TRAINER_OPTIONS, perceptual: 'none' });
  const [{ losses }] = await run(trainer, 1);
  assert.is(losses.G_perceptual_H, 0);
  const image = randomImage(40, 33);
  const expected = await trainer.enhance(image);
  const model = await loadGenerator(gpu, await trainer.exportGenerator());
  assert.is(largestDifference((await model.enhance(image)).data, expected.data), 0);
  assert.equal(model.architecture, trainer.architecture);
  await trainer.trainStep();
  const later = await trainer.enhance(image);
  assert.ok(largestDifference(later.data, expected.data) > 0, 'the exported one does not train on');
  model.dispose();
  trainer.dispose();
});

suite('with an average exports that, trains no differently, and gives its memory back', async () => {
  await gpu.flush();
  const before = gpu.memory().liveBuffers;
  const options = { ...TRAINER_OPTIONS, perceptual: 'none' } as const;
  const plain = new PairTrainer(gpu, trainingPairs(), options);
  const averaged = new PairTrainer(gpu, trainingPairs(), { ...options, ema: 0.9 });
  assert.equal(await run(averaged, 3), await run(plain, 3));
  const image = randomImage(32, 32);
  const expected = await averaged.enhance(image);
  assert.ok(largestDifference(expected.data, (await plain.enhance(image)).data) > 0);
  const model = await loadGenerator(gpu, await averaged.exportGenerator());
  assert.is(largestDifference((await model.enhance(image)).data, expected.data), 0);
  for (const part of [plain, averaged, model]) part.dispose();
  await gpu.flush();
  assert.is(gpu.memory().liveBuffers, before);
});

suite('tells what is wrong', async () => {
  assert.throws(
    () => new PairTrainer(gpu, [], TRAINER_OPTIONS),
    (error: unknown) => error instanceof DataError,
  );
  assert.throws(
    () => new PairTrainer(gpu, trainingPairs(1), { ...TRAINER_OPTIONS, size: 1.5 }),
    (error: unknown) => error instanceof UsageError,
  );
  const trainer = new PairTrainer(gpu, trainingPairs(2), {
    ...TRAINER_OPTIONS,
    learningRate: 1e30,
  });
  let failure: unknown;
  try {
    await run(trainer, 5);
  } catch (error) {
    failure = error;
  }
  assert.instance(failure, NumericalError);
  assert.match(String(failure), /step \d: loss .* is not finite/);
  trainer.dispose();
});

suite.after(() => gpu.close());
suite.run();

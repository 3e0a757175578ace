/**
 * Training is deterministic to the last bit: twice the same run, and a run that was stopped, saved and
 * resumed on a newly opened device, dropout, image pools and running statistics included.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import { loadCheckpoint } from '../../src/run/checkpoint.ts';
import { restorePools } from '../../src/run/method-state.ts';
import { parseOptions } from '../../src/run/options.ts';
import {
  TRAIN_PROGRAM,
  type TrainConfiguration,
  trainConfiguration,
} from '../../src/train/configuration.ts';
import { expectSameRun } from '../../src/train/identity.ts';
import { readLog } from '../../src/train/run-log.ts';
import { trainRun } from '../../src/train/train-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const STEPS = 20;
const STOP = 10;

/** Three batches an epoch, so that the stop lies within one; a decay of the learning rate on the way. */
const PAIRS = simulatedPairs(3, 6, 72);

const suite = createSuite<{ folder: string }>('resume');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-resume-'));
});
suite.after(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

type Options = Readonly<Record<string, string | number>>;

const COMMON: Options = {
  data: 'simulated',
  out: 'runs',
  size: 64,
  ngf: 2,
  ndf: 2,
  batch: 2,
  epochs: 100,
  'read-every': 3,
  flip: 'on',
  seed: 5,
};

const PROPOSED: Options = {
  ...COMMON,
  levels: 6,
  dropout: 0.5,
  perceptual: 'random-features',
  'lr-every': 2,
};

function configuration(options: Options, common: Options = PROPOSED): TrainConfiguration {
  const argv = Object.entries({ ...common, ...options }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  return trainConfiguration(parseOptions(TRAIN_PROGRAM, argv).values);
}

function train(
  device: Gpu,
  runFolder: string,
  options: Options,
  resume = false,
  common: Options = PROPOSED,
) {
  return trainRun({
    gpu: device,
    configuration: configuration(options, common),
    train: PAIRS,
    validation: undefined,
    runFolder,
    weights: undefined,
    resume,
    command: 'test',
    log: () => undefined,
  });
}

/** Everything a run leaves behind, but for how long it took. */
async function remains(runFolder: string) {
  const { state, files } = await loadCheckpoint(runFolder);
  const tensors = new Map<string, Uint8Array>();
  for (const [file, content] of Object.entries(files)) {
    for (const [name, { data }] of content) {
      tensors.set(`${file}/${name}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
  const log = readLog(join(runFolder, 'log.jsonl')).map(({ seconds: _, ...record }) => record);
  const { files: __, ...rest } = state;
  return { tensors, log, state: rest };
}

type Remains = Awaited<ReturnType<typeof remains>>;

function assertIdentical(found: Remains, expected: Remains): void {
  assert.equal([...found.tensors.keys()], [...expected.tensors.keys()]);
  const different = [...expected.tensors].filter(
    ([name, bytes]) => !Buffer.from(bytes).equals(found.tensors.get(name) ?? Buffer.of()),
  );
  assert.equal(
    different.map(([name]) => name),
    [],
    'tensors that differ',
  );
  assert.equal(found.log, expected.log);
  assert.equal(found.state, expected.state);
}

suite('the run that is compared draws dropout masks', () => {
  const made = configuration({ perceptual: 'none' }).method.create(gpu);
  const generator = made.networks.get('G_H.');
  assert.ok(generator instanceof UNet && generator.isStochastic);
  made.dispose();
});

suite('two runs are identical, one of them stopped and resumed on another device', async ({
  folder,
}) => {
  const [straight, again, resumed] = ['straight', 'again', 'resumed'].map((name) =>
    join(folder, name),
  );
  await train(gpu, straight, { steps: STEPS });
  const expected = await remains(straight);
  assert.is(expected.state.step, STEPS);
  assert.is(expected.log.length, STEPS);
  assert.ok([...expected.tensors.keys()].some((name) => name.includes('exp_avg_sq.')));
  assert.ok(new Set(expected.log.map(({ lr }) => lr)).size > 2, 'the learning rate decays');

  await train(gpu, again, { steps: STEPS });
  assertIdentical(await remains(again), expected);

  await train(gpu, resumed, { steps: STOP });
  const half = await remains(resumed);
  assert.is(half.state.step, STOP);
  assert.ok(half.state.batchIndex > 0, 'stopped within an epoch');
  assert.equal(half.log, expected.log.slice(0, STOP));
  const other = await openNodeGpu();
  try {
    await train(other, resumed, { steps: STEPS }, true);
  } finally {
    other.close();
  }
  assertIdentical(await remains(resumed), expected);
});

/** A pool that is full long before the stop, and exchanges images before and after it. */
const CYCLEGAN: Options = {
  ...COMMON,
  size: 32,
  method: 'cyclegan',
  protocol: 'native',
  blocks: 1,
  batch: 2,
  epochs: 6,
  'pool-size': 3,
};
/** Dropout in the decoder, running statistics, an exponential average of both. */
const PIX2PIX: Options = {
  ...COMMON,
  method: 'pix2pix',
  protocol: 'native',
  levels: 6,
  epochs: 6,
  ema: 0.8,
};

/** Spectral norm's power iteration, pools, two learning rates. */
const STABLE: Options = { ...CYCLEGAN, method: 'stable-cyclegan' };

/** A teacher that follows the generator, and noise on what it is asked. */
const MSPGAN: Options = {
  ...COMMON,
  size: 32,
  method: 'mspgan',
  protocol: 'native',
  blocks: 1,
  layers: 1,
  heads: 2,
  'smc-width': 8,
  'ramp-steps': 10,
  batch: 2,
  epochs: 6,
};

for (const common of [CYCLEGAN, PIX2PIX, STABLE, MSPGAN]) {
  const { method } = common;
  suite(`${method}: a run that is stopped and resumed goes on bit for bit`, async ({ folder }) => {
    const [straight, resumed] = ['straight', 'resumed'].map((name) =>
      join(folder, `${method}-${name}`),
    );
    const steps = 14;
    const stop = 8;
    await train(gpu, straight, { steps }, false, common);
    const expected = await remains(straight);
    assert.is(expected.state.step, steps);
    const rates = expected.log.map(({ lr }) => Number(lr));
    assert.ok(new Set(rates).size > 2 && rates[steps - 1] < rates[0], `decays: ${rates}`);
    await train(gpu, resumed, { steps: stop }, false, common);
    const half = await remains(resumed);
    assert.ok(half.state.batchIndex > 0, 'stopped within an epoch');
    for (const name of ['pools/H', 'pools/L']) {
      if (method === 'pix2pix' || method === 'mspgan') continue;
      const [before, after] = [half, expected].map(({ tensors }) => tensors.get(name));
      assert.is(before?.length, 3 * 32 * 32 * 4, 'the pool is full');
      assert.not.equal(before, after, 'it changes after the stop');
    }
    if (method === 'pix2pix') {
      const weight = 'up1.weight';
      const [average, raw] = ['G_H_ema', 'G_H'].map((name) =>
        expected.tensors.get(`${name}/${name}.${weight}`),
      );
      assert.ok(average && raw && !Buffer.from(average).equals(raw), 'there is an average');
    }
    if (method === 'mspgan') {
      const [teacher, student] = ['T_H', 'G_H'].map((name) =>
        expected.tensors.get(`${name}/${name}.position.weight`),
      );
      assert.ok(teacher && student && !Buffer.from(teacher).equals(student), 'there is a teacher');
      const weights = expected.log.map(({ tsc_weight }) => Number(tsc_weight));
      assert.ok(weights[stop] > weights[0] && weights[steps - 1] === 10, `${weights}`);
    }
    await train(gpu, resumed, { steps }, true, common);
    assertIdentical(await remains(resumed), expected);
  });
}

suite('a term that rises over a share of the run goes on only in a run of that length', async ({
  folder,
}) => {
  const run = join(folder, 'mspgan-share');
  const share = { 'ramp-steps': 0 };
  await train(gpu, run, { steps: 2, ...share }, false, MSPGAN);
  const refused = await train(gpu, run, { steps: 3, ...share }, true, MSPGAN).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(refused, CheckpointError);
  assert.match(String(refused), /plannedSteps 2, found 3/);
});

suite('a run is not resumed by another method, or without its pools', async ({ folder }) => {
  const run = join(folder, 'cyclegan-straight');
  const refusal = (common: Options, options: Options = {}) =>
    train(gpu, run, { steps: 30, ...options }, true, common).then(
      () => undefined,
      (error: unknown) => error,
    );
  const other = await refusal(PIX2PIX);
  assert.instance(other, CheckpointError);
  assert.match(String(other), /field method: expected "pix2pix", found "cyclegan"/);
  const longer = await refusal(CYCLEGAN, { 'lr-decay': 6 });
  assert.instance(longer, CheckpointError);
  assert.match(String(longer), /lrDecay 3, found 6/);

  const method = configuration({}, CYCLEGAN).method.create(gpu);
  const { files } = await loadCheckpoint(run);
  const { pools, ...rest } = files;
  assert.throws(
    () => restorePools(method, rest, 'step'),
    /step: expected the image pool H in pools/,
  );
  const smaller = configuration({ 'pool-size': 2 }, CYCLEGAN).method.create(gpu);
  assert.throws(() => restorePools(smaller, { pools }, 'step'), /at most 2 images .*found \[3,/);
  method.dispose();
  smaller.dispose();
});

suite('a run is not resumed with options that would change it', async ({ folder }) => {
  for (const [name, value, text] of [
    ['seed', 6, 'seed 5, found 6'],
    ['dropout', 0.25, 'dropout 0.5, found 0.25'],
    ['ngf', 4, 'ngf'],
    ['upsample', 'resize', 'field upsample: expected "resize", found "transposed"'],
    ['ema', 0.9, 'ema 0, found 0.9'],
  ] as const) {
    const refused = await train(
      gpu,
      join(folder, 'straight'),
      { steps: 30, [name]: value },
      true,
    ).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(refused, CheckpointError, `${name} ${String(refused)}`);
    assert.match(String(refused), text);
  }
});

suite('a run from before an option is one with what was then the only choice', async ({
  folder,
}) => {
  const checkpoint = await loadCheckpoint(join(folder, 'straight'));
  const { upsample, ...architecture } = checkpoint.state.architecture;
  assert.is(upsample, 'transposed');
  const { ema, enlarge, pairing, ...extra } = checkpoint.state.extra ?? {};
  assert.equal([ema, enlarge, pairing], [0, 1, 'aligned']);
  const older = { ...checkpoint, state: { ...checkpoint.state, architecture, extra } };
  const pairs = PAIRS.pairs.length;
  expectSameRun(older, configuration({}), pairs);
  assert.throws(
    () => expectSameRun(older, configuration({ upsample: 'resize' }), pairs),
    /field upsample: expected "resize", found "transposed"/,
  );
  assert.throws(
    () => expectSameRun(older, configuration({ ema: 0.5 }), pairs),
    /was trained with ema 0, found 0\.5/,
  );
});

suite.run();

/**
 * Mixed precision trains as well as f32: the same runs from several seeds, on simulated pairs. What f16
 * storage changes must be less than what another seed changes: means lie within the range of the f32 seeds,
 * give or take a quarter of it.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import type { OptionValues } from '../../src/run/options.ts';
import { configureTraining, TrainingRun } from '../../src/train/training-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const suite = createSuite('losses of mixed precision');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const STEPS = 150;
/** Steps at the end whose losses are averaged: single steps show one batch. */
const LAST = 30;

const PAIRS = simulatedPairs(3, 12, 48);

const OPTIONS: OptionValues = {
  data: 'simulated',
  out: 'runs',
  size: 32,
  ngf: 6,
  ndf: 6,
  batch: 2,
  epochs: 1000,
  lr: 1e-3,
};

/** Of MSPGAN four seeds do not tell: its discriminator's losses vary more than those seeds show. */
const METHODS: readonly { readonly seeds: number; readonly options: OptionValues }[] = [
  { seeds: 4, options: { method: 'proposed', perceptual: 'random-features' } },
  { seeds: 8, options: { method: 'mspgan', blocks: 2, layers: 2, heads: 4, 'smc-width': 32 } },
];

type Losses = Record<string, number>;

/** Means of the losses over the last steps of a run. */
async function finalLosses(options: OptionValues): Promise<Losses> {
  const run = await TrainingRun.open({
    gpu,
    configuration: configureTraining({ ...OPTIONS, ...options }),
    train: PAIRS,
  });
  const means: Losses = {};
  for (let step = 0; step < STEPS; step++) {
    const { losses } = await run.trainStep();
    if (step < STEPS - LAST) continue;
    for (const [name, value] of Object.entries(losses)) {
      means[name] = (means[name] ?? 0) + value / LAST;
    }
  }
  run.dispose();
  return means;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

if (gpu.profile.f16) {
  for (const { seeds, options } of METHODS) {
    suite(`${options.method}: final losses lie within the spread of f32 seeds`, () =>
      compareSpread(options, seeds));
  }

  async function compareSpread(options: OptionValues, seeds: number): Promise<void> {
    const [full, half]: Losses[][] = [[], []];
    for (let seed = 1; seed <= seeds; seed++) {
      full.push(await finalLosses({ ...options, seed, precision: 'f32' }));
      half.push(await finalLosses({ ...options, seed, precision: 'f16' }));
    }
    console.log(
      `\n${options.method}, ${seeds} seeds, ${STEPS} steps, mean of the last ${LAST}: f32 | f16`,
    );
    const outside: string[] = [];
    // Labels are logged with the losses, but are decisions: most often all 1, so that one other in 120 steps shows.
    const names = Object.keys(full[0]).filter((name) => !name.startsWith('label_'));
    for (const name of names) {
      const [a, b] = [full, half].map((runs) => runs.map((losses) => losses[name]));
      const texts = [a, b].map((values) => values.map((value) => value.toPrecision(4)).join(' '));
      console.log(`${name.padEnd(16)} ${texts.join(' | ')}`);
      // What is the same in all runs differs by the rounding of a mean.
      const slack = (Math.max(...a) - Math.min(...a)) / 4 + 1e-9;
      const isInside = mean(b) >= Math.min(...a) - slack && mean(b) <= Math.max(...a) + slack;
      if (!isInside) outside.push(`${name}: mean ${mean(b)} of f16, f32 ${texts[0]}`);
    }
    assert.equal(outside, []);
  }
} else {
  suite(`skipped: ${gpu.description} has no shader-f16`, () => undefined);
}

suite.run();

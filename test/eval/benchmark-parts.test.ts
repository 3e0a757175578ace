/** Command line, job lines and merging of a benchmark, without training anything. */
import { execFileSync } from 'node:child_process';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, UsageError } from '../../src/errors.ts';
import { type DoneJob, mergeScores } from '../../src/eval/benchmark/collect.ts';
import { type Job, optionArguments } from '../../src/eval/benchmark/jobs.ts';
import { BENCHMARK_PROGRAM, benchmarkPlan, type Entry } from '../../src/eval/benchmark/options.ts';
import { medianImage, spreadOverOrgans } from '../../src/eval/benchmark/pictures.ts';
import { planLines } from '../../src/eval/benchmark/plan-lines.ts';
import { methodLabel, methodsInTableOrder } from '../../src/methods/labels.ts';
import { METHOD_NAMES } from '../../src/methods/methods.ts';
import { parseOptions } from '../../src/run/options.ts';
import { shellWord } from '../../src/run/shell-word.ts';

const suite = createSuite('parts of the benchmark');

const plan = (...args: string[]) =>
  benchmarkPlan(parseOptions(BENCHMARK_PROGRAM, ['--data', 'in', '--out', 'out', ...args]).values);

suite("every method is a row, in the order of the paper's Table 2", () => {
  const order = ['pix2pix', 'mspgan', 'cyclegan', 'reggan', 'stable-cyclegan', 'proposed'];
  const names = methodsInTableOrder();
  assert.equal([...names].sort(), [...METHOD_NAMES].sort());
  const known = order.filter((name) => METHOD_NAMES.includes(name));
  assert.equal(names.slice(0, known.length), known);
  assert.equal(
    plan().entries.map(({ id }) => id),
    names,
  );
});

suite('reconstructions say so', () => {
  assert.is(methodLabel('mspgan'), 'MSPGAN (reconstructed)');
  assert.is(methodLabel('stable-cyclegan'), 'Stable CycleGAN (reconstructed)');
  assert.is(methodLabel('reggan'), 'RegGAN');
  const [entry] = plan('--methods', 'reggan+cycles').entries;
  assert.equal(entry, { id: 'reggan+cycles', method: 'reggan', label: 'RegGAN, cycles' });
});

suite('wrong values are named', () => {
  for (const [args, message] of [
    [['--methods', 'pix2pix,best'], /^--methods: .*found best/],
    [['--methods', 'pix2pix,pix2pix'], /^--methods: pix2pix is there twice/],
    [['--seeds', '0,1,x'], /^--seeds: .*found x/],
    [['--folds', '0,,1'], /^--folds: .*found $/],
    [['--lpips', 'vgg,resnet'], /^--lpips: .*found resnet/],
    [['--set', 'pix2pix'], /^--set: expected SYSTEM\.OPTION=VALUE, found pix2pix/],
    [['--set', 'unet.ngf=4'], /^--set unet\.ngf=4: expected one of all, /],
    [['--set', 'all.seed=4'], /^--set all\.seed=4: seed is set by --seeds/],
    [['--plan', '--collect'], /^--plan, --collect: expected one of them/],
    [['--size', '20'], /^--size: .*found 20/],
  ] as const) {
    assert.throws(
      () => plan(...args),
      (error: Error) => error instanceof UsageError && message.test(error.message),
      String(message),
    );
  }
});

suite('settings go to the systems that have them, nearest last', () => {
  const chosen = plan(
    ...['--methods', 'reggan,reggan+wide,proposed', '--ngf', '8', '--perceptual', 'alex'],
    ...['--set', 'all.levels=4,reggan.mode=C,reggan+wide.ngf=32,all.lr=0.1,all.ngf=16'],
  );
  const [reggan, wide, proposed] = chosen.entries.map((entry) => optionArguments(chosen, entry));
  const given = (words: readonly string[], name: string) =>
    words.includes(`--${name}`) ? words[words.indexOf(`--${name}`) + 1] : undefined;
  const values = (words: readonly string[]) =>
    ['ngf', 'levels', 'mode', 'lr', 'perceptual'].map((name) => given(words, name));
  assert.equal(values(reggan), ['16', undefined, 'C', '0.1', undefined]);
  assert.equal(values(wide), ['32', undefined, 'C', '0.1', undefined]);
  assert.equal(values(proposed), ['16', '4', undefined, '0.1', 'alex']);
});

suite('a job line reads back as the same words in a shell', () => {
  const words = ["it's", '$HOME `x`', 'plain-1.5', '*', 'a"b', 'two  spaces', ''];
  const echoed = execFileSync('sh', ['-c', `printf '%s\\n' ${words.map(shellWord).join(' ')}`]);
  assert.equal(echoed.toString().split('\n').slice(0, -1), words);
  const job = { id: 'fold-0/seed-1/reggan+wide' } as Job;
  assert.equal(planLines(['--data', 'a b', '--plan', '--steps', '3'], [job]), [
    "node --import tsx src/eval/benchmark/index.ts --data 'a b' --steps 3 --job fold-0/seed-1/reggan+wide",
  ]);
});

const entries: Entry[] = ['a', 'b'].map((id) => ({ id, method: 'pix2pix', label: id }));

function done(
  system: number,
  seed: number,
  fold: number,
  scores: Record<string, [low: number, enhanced: number]>,
): DoneJob {
  const pairs = Object.entries(scores).map(([name, [low, enhanced]]) => ({
    organ: 'liver',
    name,
    reference: { psnr: low, ssim: 0 },
    enhanced: { psnr: enhanced, ssim: 0 },
  }));
  return {
    job: { entry: entries[system], seed, fold, folder: `f${fold}` } as Job,
    trained: { step: 1, seconds: 1 },
    scores: { step: 1, adapter: 'x', pairs },
  };
}

suite('an image scores its mean over seeds and splits; only shared images count', () => {
  const merged = mergeScores(
    [
      done(0, 0, 0, { '1': [10, 11], '2': [20, 22] }),
      done(0, 1, 0, { '1': [10, 13], '2': [20, 24] }),
      done(0, 0, 1, { '2': [20, 29], '3': [30, 33] }),
      done(1, 0, 0, { '1': [10, 15], '2': [20, 25] }),
    ],
    entries,
    ['psnr'],
  );
  assert.equal(
    merged.images.map(({ name }) => name),
    ['1', '2'],
  );
  assert.is(merged.left, 1);
  assert.equal(
    merged.systems.map(({ id, scores }) => [id, scores.psnr]),
    [
      ['reference-low', [10, 20]],
      ['a', [12, 25]],
      ['b', [15, 25]],
    ],
  );
});

suite('jobs that scored other pictures under one name, or no common one, are refused', () => {
  const refused = (jobs: DoneJob[], message: RegExp) =>
    assert.throws(
      () => mergeScores(jobs, entries, ['psnr']),
      (error: Error) => error instanceof DataError && message.test(error.message),
    );
  refused(
    [done(0, 0, 0, { '1': [10, 11] }), done(1, 0, 0, { '1': [10.5, 11] })],
    /another picture liver\/1 .*10\.5, expected 10/,
  );
  refused([done(0, 0, 0, { '1': [10, 11] }), done(1, 0, 1, { '2': [9, 11] })], /found none/);
});

suite('the image of a figure is the middle one; the viewer takes turns among organs', () => {
  assert.is(medianImage(['a', 'b', 'c', 'd'], [0.4, 0.1, 0.3, 0.2]), 'd');
  assert.throws(
    () => medianImage([], []),
    (error: unknown) => error instanceof DataError,
  );
  const images = ['x1', 'x2', 'x3', 'y1'].map((name) => ({ organ: name[0], name }));
  assert.equal(
    spreadOverOrgans(images, 3).map(({ name }) => name),
    ['x1', 'x2', 'y1'],
  );
  assert.is(spreadOverOrgans(images, 9).length, 4);
});

suite.run();

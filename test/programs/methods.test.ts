/** Every method through all three programs, and what is said when methods are mixed up. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { METHOD_NAMES } from '../../src/methods/methods.ts';
import { formatHelp, parseOptions } from '../../src/run/options.ts';
import {
  describeConfiguration,
  learningRateOf,
  resolveOptions,
  trainConfiguration,
} from '../../src/train/configuration.ts';
import { TRAIN_PROGRAM } from '../../src/train/options.ts';
import { assertOk, assertRefused, runProgram, snapshot } from '../support/program.ts';
import { makeSmallData } from '../support/small-run.ts';

const suite = createSuite<{ folder: string; data: string }>('methods through the programs');
suite.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-methods-'));
  context.data = join(context.folder, 'data');
  await makeSmallData(context.data);
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const OWN: Readonly<Record<string, readonly (string | number)[]>> = {
  pix2pix: ['--levels', 3, '--upsample', 'resize'],
  cyclegan: ['--blocks', 1, '--pool-size', 2, '--ema', 0.9],
  reggan: ['--blocks', 1, '--nrf', 2, '--upsample', 'resize'],
  'stable-cyclegan': ['--blocks', 1],
};

/** Methods that say so wherever people read their name. */
const RECONSTRUCTED = ['stable-cyclegan', 'mspgan'];

const parse = (...args: (string | number)[]) =>
  parseOptions(TRAIN_PROGRAM, ['--data', 'in', '--out', 'out', ...args.map(String)]).values;

for (const [method, own] of Object.entries(OWN)) {
  suite(`${method} is trained, scored and enhanced with`, async ({ folder, data }) => {
    const run = join(folder, method);
    const small = ['--size', 32, '--ngf', 2, '--ndf', 2, '--batch', 2, '--steps', 3, ...own];
    const trained = await runProgram('train', [
      ...['--data', data, '--out', run, '--method', method, ...small],
    ]);
    assertOk(trained);
    const label = RECONSTRUCTED.includes(method) ? `${method} (reconstructed)` : method;
    assert.match(trained.stdout, `\n${label}: parameters G_H `);
    assert.match(readFileSync(join(run, 'report.html'), 'utf8'), `Training run: ${label}`);
    const hasAverage = own.includes('--ema');
    const said = hasAverage
      ? /scored: the exponential average of G_H, decay 0\.9$/m
      : /scored: G_H as/;
    assert.match(trained.stdout, said);
    assert.match(readFileSync(join(run, 'report.html'), 'utf8'), 'G_adversarial_H');
    const { options } = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
    assert.equal([options.method, options.protocol], [method, 'paper']);

    const out = join(folder, `${method}-eval`);
    const scored = await runProgram('eval', ['--checkpoint', run, '--data', data, '--out', out]);
    assertOk(scored);
    assert.match(scored.stdout, /PSNR/);
    assert.is(/model .*exponential average/.test(scored.stdout), hasAverage);
    assert.match(scored.stdout, ` (${label}, step 3`);
    const lifted = join(folder, `${method}-enhanced`);
    const organ = join(data, 'train_datasets', readdirSync(join(data, 'train_datasets'))[0]);
    const image = join(organ, 'low_quality', readdirSync(join(organ, 'low_quality'))[0]);
    const enhanced = await runProgram('enhance', ['--checkpoint', run, '--out', lifted, image]);
    assertOk(enhanced);
    assert.match(enhanced.stdout, ` (${label}, step 3`);
    assert.is(readdirSync(lifted).length, 1);
  });
}

suite('commands that a run names read back in a shell, whatever its folder is called', async ({
  folder,
  data,
}) => {
  const run = join(folder, "Anna's run (1)");
  const args = ['--data', data, '--out', run, '--method', 'pix2pix', '--levels', '3'];
  args.push('--size', '32', '--ngf', '2', '--ndf', '2', '--batch', '2', '--steps', '1');
  const trained = await runProgram('train', args);
  assertOk(trained);
  const words = (command: string) =>
    execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
      .trim()
      .split('\n');
  const { command } = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
  assert.equal(words(command).slice(3), args);
  const [, next = ''] = /^next: (.*)$/m.exec(trained.stdout) ?? [];
  const selected = join(run, 'checkpoints', 'step-000001');
  assert.equal(words(next).slice(3), ['--checkpoint', selected, '--data', data]);
});

suite('of a run with an average both weights are scored; of one without, only raw ones', async ({
  folder,
  data,
}) => {
  const score = async (method: string, ...more: string[]) => {
    const args = ['--checkpoint', join(folder, method), '--data', data, '--json', ...more];
    const ended = await runProgram('eval', args);
    if (ended.code !== 0) return ended;
    const { subject, pairs } = JSON.parse(ended.stdout);
    return { weights: subject.weights, psnr: pairs[0].enhanced.psnr };
  };
  const [ema, chosen, raw] = [
    await score('cyclegan'),
    await score('cyclegan', '--model-weights', 'ema'),
    await score('cyclegan', '--model-weights', 'raw'),
  ];
  assert.equal(chosen, ema);
  assert.ok('weights' in ema && 'weights' in raw);
  assert.equal([ema.weights, raw.weights], ['ema', 'raw']);
  assert.ok(ema.psnr > 0 && raw.psnr > 0 && ema.psnr !== raw.psnr, `${ema.psnr}, ${raw.psnr}`);
  const none = await score('pix2pix', '--model-weights', 'ema');
  assert.ok('code' in none);
  assertRefused(none, 4, /^CheckpointError: .*G_H_ema\.safetensors, found none: .*no --ema/);
});

suite('a run is not resumed by another method', async ({ folder, data }) => {
  const run = join(folder, 'cyclegan');
  assert.ok(existsSync(run), 'trained above');
  const before = snapshot(run);
  const refused = await runProgram('train', [
    ...['--data', data, '--out', run, '--resume', '--method', 'pix2pix', '--size', 32],
    ...['--ngf', 2, '--ndf', 2, '--batch', 2],
  ]);
  const message = /^CheckpointError: .*field method: expected "pix2pix", found "cyclegan"/;
  assertRefused(refused, 4, message);
  assert.equal(snapshot(run), before);
});

suite('an option of other methods or schedules is refused, not ignored', () => {
  const cases: [readonly (string | number)[], RegExp][] = [
    [['--method', 'cyclegan', '--levels', 4], /^--levels: .*--method cyclegan$/],
    [['--method', 'cyclegan', '--lambda-l1', 1], /^--lambda-l1: .*--method cyclegan$/],
    [['--method', 'pix2pix', '--blocks', 6], /^--blocks: .*--method pix2pix$/],
    [['--method', 'pix2pix', '--pairing', 'unaligned'], /^--pairing: .*--method pix2pix$/],
    [['--method', 'pix2pix', '--perceptual', 'vgg'], /^--perceptual vgg: .*pix2pix has no/],
    [['--method', 'cyclegan', '--mode', 'NC+R'], /^--mode: .*--method cyclegan$/],
    [
      ['--method', 'reggan', '--size', 64, '--registration-levels', 6],
      /^--registration-levels 6: expected a --size of at least 128, found 64$/,
    ],
    [['--method', 'mspgan', '--levels', 4], /^--levels: .*--method mspgan$/],
    [['--method', 'mspgan', '--size', 36], /^--size 36: .*multiple of 8 for --method mspgan$/],
    [['--method', 'mspgan', '--pairing', 'unaligned'], /^--paired-l1 on: .*--pairing aligned$/],
    [
      ['--method', 'mspgan', '--paired-l1', 'off', '--lambda-l1', 10],
      /^--lambda-l1: .*mspgan --paired-l1 off$/,
    ],
    [
      ['--method', 'mspgan', '--protocol', 'native', '--paired-l1', 'on'],
      /^--paired-l1 on: .*--pairing aligned$/,
    ],
    [['--gan-mode', 'vanilla'], /^--gan-mode: .*--method proposed$/],
    [['--method', 'reggan', '--pool-size', 50], /^--pool-size: .*reggan --mode NC\+R$/],
    [['--method', 'reggan', '--lambda-cycle', 10], /^--lambda-cycle: .*reggan --mode NC\+R$/],
    [['--method', 'reggan', '--mode', 'C', '--nrf', 8], /^--nrf: .*reggan --mode C$/],
    [['--method', 'reggan', '--mode', 'NC', '--lambda-smooth', 1], /^--lambda-smooth: .*NC$/],
    [['--method', 'cyclegan', '--lr-ratio', 4], /^--lr-ratio: .*--method cyclegan$/],
    [['--method', 'stable-cyclegan', '--lambda-l1', 2], /^--lambda-l1: .*stable-cyclegan$/],
    [['--lr-decay', 3], /^--lr-decay: .*--schedule step$/],
    [['--schedule', 'linear', '--lr-gamma', 0.1], /^--lr-gamma: .*--schedule linear$/],
    [['--schedule', 'linear', '--epochs', 3, '--lr-decay', 4], /^--lr-decay: .*3, found 4$/],
    [['--method', 'cyclegan', '--size', 34], /^--size 34: .*multiple of 4 for --method cyclegan$/],
  ];
  for (const [args, message] of cases) {
    assert.throws(
      () => trainConfiguration(parse(...args)),
      (error: Error) => error instanceof UsageError && message.test(error.message),
      String(message),
    );
  }
});

suite('protocols: one setting for all, or that of each method', () => {
  const shown = (...args: string[]) => {
    const { batch, epochs, lr, beta1, schedule, flip, init } = resolveOptions(parse(...args));
    return [batch, epochs, lr, beta1, schedule, flip, init];
  };
  const paper = [4, 300, 3e-4, 0.9, 'step', 'off', 'default'];
  const pix2pix = [1, 200, 2e-4, 0.5, 'linear', 'on', 'normal'];
  for (const method of METHOD_NAMES) assert.equal(shown('--method', method), paper, method);
  for (const method of ['pix2pix', 'cyclegan']) {
    assert.equal(shown('--method', method, '--protocol', 'native'), pix2pix, method);
  }
  const drawn = (...args: string[]) => {
    const { enlarge, pairing } = trainConfiguration(parse(...args));
    return [enlarge, pairing];
  };
  assert.equal(drawn('--method', 'cyclegan'), [1, 'aligned']);
  assert.equal(drawn('--method', 'cyclegan', '--protocol', 'native'), [286 / 256, 'unaligned']);
  assert.equal(drawn('--method', 'pix2pix', '--protocol', 'native'), [286 / 256, 'aligned']);
  const reggan = [1, 80, 1e-4, 0.5, 'constant', 'off', 'default'];
  assert.equal(shown('--method', 'reggan', '--protocol', 'native'), reggan);
  const own = (method: string, ...names: string[]) => {
    const values = resolveOptions(parse('--method', method));
    return names.map((name) => values[name]);
  };
  const weights = ['lambda-cycle', 'lambda-identity', 'pool-size', 'blocks', 'gan-mode'];
  assert.equal(own('cyclegan', ...weights), [10, 5, 50, 9, 'lsgan']);
  const conditional = ['lambda-l1', 'norm', 'dropout-site', 'gan-mode', 'levels'];
  assert.equal(own('pix2pix', ...conditional), [100, 'batch', 'decoder', 'vanilla', 8]);

  const stable = (...args: string[]) => {
    const values = resolveOptions(parse('--method', 'stable-cyclegan', ...args));
    const { batch, epochs, lr, beta1, schedule, pairing } = values;
    return [batch, epochs, lr, values['lr-ratio'], beta1, schedule, pairing];
  };
  assert.equal(stable(), [4, 300, 3e-4, 1, 0.9, 'step', 'aligned']);
  assert.equal(stable('--protocol', 'native'), [1, 200, 1e-4, 4, 0.5, 'linear', 'unaligned']);
  const ingredients = ['real-label', 'spectral-layers', 'upsample', 'blocks'];
  assert.equal(own('stable-cyclegan', ...ingredients), [0.9, '4', 'resize', 9]);
  assert.equal(own('stable-cyclegan', ...weights.slice(0, 3)), [10, 5, 50]);

  const registered = ['mode', 'lambda-registration', 'lambda-smooth', 'registration-levels'];
  assert.equal(own('reggan', ...registered), ['NC+R', 20, 10, 7]);

  const structured = ['blocks', 'layers', 'heads', 'superpixels', 'lambda-smc', 'lambda-tsc'];
  assert.equal(own('mspgan', ...structured, 'paired-l1', 'lambda-l1'), [
    4,
    4,
    8,
    256,
    1,
    10,
    'on',
    100,
  ]);
  assert.equal(drawn('--method', 'mspgan', '--protocol', 'native'), [286 / 256, 'unaligned']);
  const unpaired = resolveOptions(parse('--method', 'mspgan', '--protocol', 'native'));
  assert.equal([unpaired['paired-l1'], unpaired.lr, unpaired.beta1], ['off', 2e-4, 0.5]);
  assert.is(resolveOptions(parse('--method', 'mspgan', '--size', 64)).superpixels, 16);

  const native = trainConfiguration(parse('--method', 'cyclegan', '--protocol', 'native'));
  const rate = learningRateOf(native);
  assert.is(rate(0), 2e-4);
  assert.is(rate(99), 2e-4);
  assert.ok(Math.abs(rate(100) - (2e-4 * 100) / 101) < 1e-18);
  assert.ok(rate(199) > 0 && rate(199) < 2.1e-6);
});

suite('what does nothing in a mode of RegGAN is not shown, and the rest is taken', () => {
  const shown = (...args: (string | number)[]) =>
    Object.keys(resolveOptions(parse('--method', 'reggan', ...args)));
  assert.not(shown().includes('pool-size'));
  assert.ok(shown().includes('nrf'));
  const cycle = shown('--mode', 'C+R', '--pool-size', 3);
  assert.ok(cycle.includes('pool-size') && cycle.includes('lambda-cycle'));
  const { method } = trainConfiguration(
    parse('--method', 'reggan', '--mode', 'C+R', '--pool-size', 3),
  );
  assert.is(method.options.poolSize, 3);
  // As in checkpoints from when the option was taken and ignored.
  assert.is(trainConfiguration(parse('--method', 'reggan')).method.options.poolSize, 50);
});

suite('help and configurations call a reconstruction what it is', () => {
  assert.match(formatHelp(TRAIN_PROGRAM), 'stable-cyclegan (reconstructed)');
  const shown = (method: string) =>
    describeConfiguration(trainConfiguration(parse('--method', method)));
  assert.is(shown('stable-cyclegan').methodLabel, 'stable-cyclegan (reconstructed)');
  assert.is(shown('stable-cyclegan').method, 'stable-cyclegan');
  assert.not('methodLabel' in shown('cyclegan'));
});

suite('what --print-config prints reads back the same for every method', () => {
  for (const method of METHOD_NAMES) {
    const values = resolveOptions(parse('--method', method, '--protocol', 'native'));
    assert.equal(resolveOptions(values), values, method);
  }
});

suite.run();

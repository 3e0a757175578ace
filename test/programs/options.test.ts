/** What the programs say to wrong command lines, before they open a device or write anything. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { SIMULATE_HELP } from '../../src/data/simulate-command.node.ts';
import { UsageError } from '../../src/errors.ts';
import { EVAL_PROGRAM, evaluationPlan } from '../../src/eval/configuration.ts';
import { formatHelp, parseOptions } from '../../src/run/options.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';
import {
  assertOk,
  assertRefused,
  PROGRAMS,
  type ProgramName,
  runProgram,
  snapshot,
} from '../support/program.ts';

const suite = createSuite<{ folder: string }>('options of the programs');
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-options-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const EVERY = Object.keys(PROGRAMS) as ProgramName[];

suite('--help prints every option and nothing else', async () => {
  const expected: Partial<Record<ProgramName, string>> = {
    train: formatHelp(TRAIN_PROGRAM),
    eval: formatHelp(EVAL_PROGRAM),
    simulate: SIMULATE_HELP,
  };
  for (const program of EVERY) {
    const ended = await runProgram(program, ['--help']);
    assertOk(ended);
    assert.is(ended.stderr, '');
    assert.match(ended.stdout, '--out');
    assert.match(ended.stdout, '--help');
    if (expected[program]) assert.is(ended.stdout, expected[program]);
  }
});

suite('an unknown option is refused by name', async ({ folder }) => {
  const before = snapshot(folder);
  for (const program of EVERY) {
    const ended = await runProgram(program, ['--out', join(folder, 'new'), '--colour', 'on']);
    assertRefused(ended, 2, /^UsageError: .*'?--colour'?.*--help/);
  }
  assert.equal(snapshot(folder), before);
});

suite('options out of range, missing, or contradicting each other are named', async ({
  folder,
}) => {
  writeFileSync(join(folder, 'broken.json'), '{"ngf": ');
  writeFileSync(join(folder, 'unknown.json'), '{"ngff": 8}');
  const before = snapshot(folder);
  const out = join(folder, 'new');
  const train = (...args: (string | number)[]) =>
    trainConfiguration(
      parseOptions(TRAIN_PROGRAM, ['--data', folder, '--out', out, ...args.map(String)]).values,
    );
  const evaluate = (...args: string[]) =>
    evaluationPlan(
      parseOptions(EVAL_PROGRAM, ['--checkpoint', out, '--data', out, ...args]).values,
    );
  const cases: [() => unknown, RegExp][] = [
    [() => train('--batch', 0), /^--batch: .* from 1 to 1024, found 0$/],
    [() => train('--epochs', 1.5), /^--epochs: .*whole number.*found 1\.5/],
    [() => train('--lr', 'fast'), /^--lr: expected a number.*found fast/],
    [() => train('--dropout', 1), /^--dropout: .*found 1/],
    [() => train('--size', 16), /^--size: .*from 24.*found 16/],
    [() => train('--size', 30), /^--size 30: expected a multiple of 4/],
    [() => train('--size', 32, '--levels', 6), /^--size 32: .*multiple of 64/],
    [() => train('--method', 'none'), /^--method: .*found none/],
    [() => train('more'), /^unexpected argument more/],
    [() => train('--config', join(folder, 'none.json')), /^--config .*no such file/],
    [() => train('--config', join(folder, 'broken.json')), /^--config .*JSON/],
    [() => train('--config', join(folder, 'unknown.json')), /unknown option ngff/],
    [() => evaluate('--metrics', 'psnr,best'), /^--metrics: .*found best/],
    [() => evaluate('--perceptual', 'resnet'), /^--perceptual: .*found resnet/],
    [() => evaluate('--perceptual', 'none,alex'), /^--perceptual: .*or none alone, found none$/],
    [() => evaluate('--split-seed', '1e300'), /^--split-seed: .* to 4294967295, found 1e300/],
    [() => evaluate('--split', 'rest'), /^--split: .*found rest/],
  ];
  for (const [parse, message] of cases) {
    assert.throws(
      parse,
      (error: Error) => error instanceof UsageError && message.test(error.message),
      String(message),
    );
  }
  const spawned: [ProgramName, readonly (string | number)[], RegExp][] = [
    ['train', ['--out', out], /^UsageError: --data is needed/],
    ['eval', ['--checkpoint', out], /^UsageError: --data is needed/],
    ['enhance', ['--checkpoint', out, '--out', out], /^UsageError: no input images/],
    ['simulate', ['--out', out, '--count', 0], /^UsageError: .*--count/],
    ['first', ['--out', out, '--minutes', 60], /^UsageError: --minutes: .*found 60/],
  ];
  for (const [program, args, message] of spawned) {
    assertRefused(await runProgram(program, args), 2, message);
  }
  assert.equal(snapshot(folder), before);
});

suite('--print-config gives what --config reads back', async ({ folder }) => {
  const printed = await runProgram('train', ['--print-config', '--size', 64, '--ngf', 8]);
  assertOk(printed);
  const file = join(folder, 'options.json');
  writeFileSync(file, printed.stdout);
  const again = await runProgram('train', ['--print-config', '--config', file]);
  assertOk(again);
  assert.is(again.stdout, printed.stdout);
  const { ngf, levels, batch } = JSON.parse(printed.stdout);
  assert.equal({ ngf, levels, batch }, { ngf: 8, levels: 6, batch: 4 });
});

suite('the first run moves no folder aside that is not an earlier run', async ({ folder }) => {
  const precious = join(folder, 'precious');
  mkdirSync(precious);
  writeFileSync(join(precious, 'thesis.txt'), 'all of it');
  const before = snapshot(folder);
  assertRefused(
    await runProgram('first', ['--out', precious, '--steps', 1]),
    2,
    /^UsageError: --out .*precious: expected .*found thesis\.txt/,
  );
  assert.equal(snapshot(folder), before);
});

suite.run();

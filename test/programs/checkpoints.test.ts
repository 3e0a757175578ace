/** What the programs say to checkpoints that are missing, damaged, or of another model. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeState, encodeState } from '../../src/run/checkpoint-state.ts';
import { assertOk, assertRefused, type Ended, runProgram, snapshot } from '../support/program.ts';
import { makeSmallData, SMALL_TRAINING } from '../support/small-run.ts';

interface Context {
  folder: string;
  data: string;
  /** A run of five steps; checkpoints of steps 0, 4 and 5. */
  run: string;
  /** A copy of the run to spoil, anew in every test. */
  spoilt: string;
}

const suite = createSuite<Context>('checkpoints the programs cannot use');

suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-bad-checkpoints-'));
  const [data, run, spoilt] = ['data', 'run', 'spoilt'].map((name) => join(folder, name));
  Object.assign(context, { folder, data, run, spoilt });
  await makeSmallData(data);
  assertOk(await train(data, run, '--steps', 5));
  assert.equal(readdirSync(join(run, 'checkpoints')).sort(), [
    'step-000000',
    'step-000004',
    'step-000005',
  ]);
});
suite.before.each(({ run, spoilt }) => {
  rmSync(spoilt, { recursive: true, force: true });
  cpSync(run, spoilt, { recursive: true });
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function train(data: string, out: string, ...more: (string | number)[]): Promise<Ended> {
  return runProgram('train', ['--data', data, '--out', out, ...SMALL_TRAINING, ...more]);
}

const stepOf = (run: string, step: number) => join(run, 'checkpoints', `step-00000${step}`);

/** Both programs that take a checkpoint must refuse it the same way, and write nothing. */
async function assertBothRefuse(
  { folder, data }: Context,
  checkpoint: string,
  message: RegExp,
): Promise<void> {
  const out = join(folder, 'out');
  const scan = readdirSync(data, { recursive: true, encoding: 'utf8' }).find((name) =>
    name.endsWith('.png'),
  );
  const before = snapshot(folder);
  const common = ['--checkpoint', checkpoint, '--out', out];
  assertRefused(await runProgram('eval', [...common, '--data', data]), 4, message);
  assertRefused(await runProgram('enhance', [...common, join(data, scan ?? '')]), 4, message);
  assert.equal(snapshot(folder), before);
}

/** Rewrites a checkpoint's architecture, with checksums that fit. */
async function changeArchitecture(
  step: string,
  change: Readonly<Record<string, unknown>>,
): Promise<void> {
  const path = join(step, 'state.json');
  const { ...state } = await decodeState(readFileSync(path, 'utf8'), path);
  delete (state as { checksum?: string }).checksum;
  const architecture = { ...state.architecture, ...change };
  writeFileSync(path, await encodeState({ ...state, architecture }));
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 5] ^= 1;
  writeFileSync(path, bytes);
}

suite('no such folder, an empty one, one without a checkpoint', async (context) => {
  const { folder, data } = context;
  mkdirSync(join(folder, 'empty'));
  const none = /^CheckpointError: .*no such checkpoint or run folder, or an empty one/;
  await assertBothRefuse(context, join(folder, 'missing'), none);
  await assertBothRefuse(context, join(folder, 'empty'), none);
  await assertBothRefuse(context, data, /^CheckpointError: .*not a complete checkpoint/);
});

suite('a file missing, cut, or changed by one bit', async (context) => {
  const step = stepOf(context.spoilt, 5);
  flipByte(join(step, 'G_H.safetensors'));
  await assertBothRefuse(context, step, /^CheckpointError: .*G_H\.safetensors: damaged: .*SHA-256/);
  rmSync(join(step, 'G_H.safetensors'));
  await assertBothRefuse(context, step, /^CheckpointError: .*G_H\.safetensors: cannot be read/);
  flipByte(join(step, 'state.json'));
  await assertBothRefuse(context, step, /^CheckpointError: .*state\.json: damaged/);
});

suite('a model of an unknown method, or of sizes that its tensors do not have', async (context) => {
  const step = stepOf(context.spoilt, 5);
  await changeArchitecture(step, { method: 'other' });
  await assertBothRefuse(context, step, /^CheckpointError: .*method: expected .*found other/);
  await changeArchitecture(step, { method: 'proposed', ngf: 3 });
  await assertBothRefuse(context, step, /^CheckpointError: .*G_H|^CheckpointError: .*shape/);
});

suite('a run whose newest checkpoint is damaged goes on from the one before, and says so', async ({
  data,
  run,
  spoilt,
}) => {
  const file = join(stepOf(spoilt, 5), 'optimizer_G.safetensors');
  flipByte(file);
  const resumed = await train(data, spoilt, '--steps', 5, '--resume');
  assertOk(resumed);
  assert.match(resumed.stdout, /passed over: .*optimizer_G\.safetensors: damaged/);
  assert.match(resumed.stdout, /resumed from .*step-000004/);
  assert.equal(snapshot(stepOf(spoilt, 5)), snapshot(stepOf(run, 5)));
});

suite('a run is neither overwritten nor resumed with other options', async ({
  folder,
  data,
  run,
  spoilt,
}) => {
  const before = snapshot(folder);
  const refused = async (code: number, message: RegExp, ...args: (string | number)[]) =>
    assertRefused(await train(data, spoilt, ...args), code, message);
  await refused(2, /^UsageError: --out .*expected no run, found one: add --resume/);
  await refused(4, /^CheckpointError: .*field ngf: expected 3, found 2/, '--resume', '--ngf', 3);
  await refused(4, /^CheckpointError: .*learningRate 0\.0003, found 0\.1/, '--resume', '--lr', 0.1);
  await refused(4, /^CheckpointError: .*batch 2, found 3/, '--resume', '--batch', 3);
  assertRefused(
    await train(data, join(folder, 'new'), '--resume'),
    2,
    /^UsageError: --resume: expected a checkpoint in .*new, found none/,
  );
  assert.equal(snapshot(folder), before);
  assert.equal(snapshot(run), snapshot(spoilt));
});

suite('weights that are needed and missing', async ({ folder, data }) => {
  const out = join(folder, 'out');
  const before = snapshot(folder);
  const squeeze = [...SMALL_TRAINING, '--perceptual', 'squeeze'];
  const args = ['--data', data, '--out', out, ...squeeze];
  assertRefused(
    await runProgram('train', args),
    2,
    /^UsageError: --perceptual squeeze .*--weights/,
  );
  const none = await runProgram('train', [...args, '--weights', join(folder, 'none')]);
  assertRefused(none, 3, /^DataError: .*none/);
  const empty = await runProgram('train', [...args, '--weights', data]);
  assertRefused(empty, 3, /^DataError: .*data/);
  assert.equal(snapshot(folder), before);
});

suite('a size that a model cannot take', async ({ folder, data, run }) => {
  const before = snapshot(folder);
  const args = ['--checkpoint', run, '--data', data, '--size', 36, '--out', join(folder, 'out')];
  const message = /^UsageError: --size 36: expected a multiple of 8/;
  assertRefused(await runProgram('eval', args), 2, message);
  assert.equal(snapshot(folder), before);
});

suite('images too small for a perceptual distance', async ({ folder, data, run }) => {
  const before = snapshot(folder);
  const alex = ['--size', 24, '--perceptual', 'alex', '--weights', data];
  const message = /^UsageError: --size 24: expected at least 31, .* LPIPS-alex/;
  assertRefused(await train(data, join(folder, 'out'), ...alex), 2, message);
  const scoring = ['--checkpoint', run, '--data', data, ...alex];
  assertRefused(await runProgram('eval', scoring), 2, message);
  assert.equal(snapshot(folder), before);
});

suite('a device that is not there', async ({ folder, data }) => {
  const before = snapshot(folder);
  const ended = await train(data, join(folder, 'out'), '--device', 'no such adapter');
  assertRefused(ended, 5, /^GpuError: .*no such adapter/);
  assert.equal(snapshot(folder), before);
});

suite.run();

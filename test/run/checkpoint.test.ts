import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError } from '../../src/errors.ts';
import type { HostTensor } from '../../src/nn/host-tensor.ts';
import {
  expectArchitecture,
  latestCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
  stepFolderName,
  type TrainingState,
} from '../../src/run/checkpoint.ts';
import { readModel } from '../../src/run/model.ts';
import { configureTraining } from '../../src/train/training-run.ts';

const suite = uvuSuite<{ run: string }>('checkpoint');

suite.before.each((context) => {
  context.run = mkdtempSync(join(tmpdir(), 'sonolift-run-'));
});
suite.after.each(({ run }) => {
  rmSync(run, { recursive: true, force: true });
});

const state = (step: number, best: TrainingState['best'] = {}): TrainingState => ({
  step,
  epoch: 2,
  batchIndex: 5,
  architecture: { method: 'proposed', ngf: 16, levels: 6, heads: [1, 2] },
  rng: { dropout: { key: [1, 2], counter: '340282366920938463463' } },
  optimizers: { G: { step, lr: 3e-4, betas: [0.9, 0.999] } },
  best,
});

const files = (value: number): Record<string, Map<string, HostTensor>> => ({
  G_H: new Map([
    ['down.0.weight', { dtype: 'F32', shape: [2], data: Float32Array.of(value, 0.1) }],
  ]),
  optimizer: new Map([['G_H.m', { dtype: 'F32', shape: [1], data: Float32Array.of(-value) }]]),
});

const steps = (run: string) => readdirSync(join(run, 'checkpoints')).sort();

async function rejects(promise: Promise<unknown>, expected: RegExp) {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.instance(error, CheckpointError, String(error));
  assert.match(String(error), expected);
}

suite('what is saved is what is loaded, from the run or the checkpoint folder', async ({ run }) => {
  const folder = await saveCheckpoint(run, 12, files(1.5), state(12));
  assert.is(folder, join(run, 'checkpoints', 'step-000012'));
  assert.equal(readdirSync(folder).sort(), [
    'G_H.safetensors',
    'optimizer.safetensors',
    'state.json',
  ]);
  for (const path of [folder, run, join(run, 'checkpoints')]) {
    const loaded = await loadCheckpoint(path);
    assert.equal(loaded.files, files(1.5));
    const { format, files: records, ...rest } = loaded.state;
    assert.is(format, 1);
    assert.equal(Object.keys(records), ['G_H.safetensors', 'optimizer.safetensors']);
    assert.equal(rest, state(12));
    assert.is(loaded.folder, folder);
    assert.equal(loaded.skipped, []);
  }
  const generator = await loadCheckpoint(run, { only: ['G_H'] });
  assert.equal(Object.keys(generator.files), ['G_H']);
  await rejects(loadCheckpoint(run, { only: ['G_L'] }), /G_L\.safetensors, found G_H/);
});

suite('keeps the last k, the best and the initialisation', async ({ run }) => {
  for (let step = 0; step <= 50; step += 10) {
    const best = { ssim: { value: 0.3, step: Math.min(step, 20) } };
    await saveCheckpoint(run, step, files(step), state(step, best), { keep: 2 });
  }
  assert.equal(steps(run), ['step-000000', 'step-000020', 'step-000040', 'step-000050']);
  await saveCheckpoint(run, 1_000_000, files(1), state(1_000_000), { keep: 1 });
  assert.equal(steps(run), ['step-000000', 'step-1000000']);
  // Going on from an older step must not delete what has just been written.
  await saveCheckpoint(run, 30, files(1), state(30), { keep: 1 });
  assert.ok(existsSync(join(run, 'checkpoints', 'step-000030')));
});

suite('the selected checkpoint is found from the run, and from its folder of checkpoints', async ({
  run,
}) => {
  const { method } = configureTraining({ method: 'pix2pix', size: 32, levels: 3, ngf: 2 });
  const best = { ssim: { value: 0.5, step: 3 } };
  for (const step of [3, 5]) {
    await saveCheckpoint(run, step, files(step), {
      ...state(step, best),
      architecture: method.architecture,
    });
  }
  const checkpoints = join(run, 'checkpoints');
  for (const path of [run, checkpoints, `${checkpoints}/`]) {
    assert.is((await readModel(path)).step, 3, path);
    assert.is((await readModel(path, 'latest')).step, 5, path);
  }
  // A checkpoint's own folder is what it says.
  assert.is((await readModel(join(checkpoints, stepFolderName(5)))).step, 5);
});

suite('a damaged file is named, and the run falls back to the one before, saying so', async ({
  run,
}) => {
  await saveCheckpoint(run, 1, files(1), state(1));
  const newer = await saveCheckpoint(run, 2, files(2), state(2));
  const path = join(newer, 'G_H.safetensors');
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at += 7) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 4;
    writeFileSync(path, bad);
    await rejects(loadCheckpoint(newer), /step-000002.G_H\.safetensors: damaged: expected SHA-256/);
  }
  const fallback = await loadCheckpoint(run);
  assert.is(fallback.state.step, 1);
  assert.is(fallback.skipped.length, 1);
  assert.match(fallback.skipped[0] ?? '', /G_H\.safetensors: damaged/);

  truncateSync(path, 20);
  await rejects(loadCheckpoint(newer), /expected \d+ bytes, found 20/);
  assert.match((await latestCheckpoint(run)) ?? '', /step-000001$/);
  unlinkSync(path);
  await rejects(loadCheckpoint(newer), /G_H\.safetensors: cannot be read/);
  rmSync(join(run, 'checkpoints', 'step-000001', 'state.json'));
  await rejects(loadCheckpoint(run), /no good checkpoint: .*G_H.*; .*state\.json/);
});

suite('every changed byte of state.json is noticed', async ({ run }) => {
  const folder = await saveCheckpoint(run, 3, files(1), state(3));
  const path = join(folder, 'state.json');
  const good = readFileSync(path);
  const meaning = JSON.stringify(JSON.parse(good.toString()));
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFileSync(path, bad);
    let same = false;
    try {
      same = JSON.stringify(JSON.parse(bad.toString())) === meaning;
    } catch {}
    if (same) continue; // white space
    await rejects(loadCheckpoint(folder), /state\.json: /);
  }
  writeFileSync(path, JSON.stringify({ ...JSON.parse(meaning), format: 2 }));
  await rejects(loadCheckpoint(folder), /expected checkpoint format 1, found 2/);
});

suite('temporary and incomplete folders are no checkpoints, and leftovers go', async ({ run }) => {
  await rejects(loadCheckpoint(join(run, 'nothing')), /nothing: no such checkpoint/);
  mkdirSync(join(run, 'checkpoints'));
  assert.is(await latestCheckpoint(run), undefined);
  await rejects(loadCheckpoint(run), /: no checkpoint$/);

  const folder = await saveCheckpoint(run, 5, files(5), state(5));
  const leftover = join(run, 'checkpoints', '.step-000006.tmp-0123456789ab');
  cpSync(folder, leftover, { recursive: true });
  mkdirSync(join(run, 'checkpoints', 'step-000007'));
  assert.is(await latestCheckpoint(run), folder);
  assert.is((await loadCheckpoint(run)).state.step, 5);
  await saveCheckpoint(run, 8, files(8), state(8));
  assert.not.ok(existsSync(leftover));

  // Killed between setting a checkpoint aside and putting its successor in place.
  rmSync(join(run, 'checkpoints', 'step-000007'), { recursive: true });
  const newest = join(run, 'checkpoints', stepFolderName(8));
  renameSync(newest, `${newest}.replaced`);
  assert.is((await loadCheckpoint(run)).state.step, 8);
  await saveCheckpoint(run, 8, files(9), state(8));
  assert.equal(steps(run), ['step-000005', 'step-000008']);
  assert.equal((await loadCheckpoint(run)).files, files(9));
});

suite('states that JSON cannot hold, steps that differ and bad names are refused', async ({
  run,
}) => {
  const nan = { ...state(1), optimizers: { G: { lr: Number.NaN } } };
  await rejects(saveCheckpoint(run, 1, files(1), nan), /optimizers\.G\.lr is NaN/);
  const missing = { ...state(1), extra: { a: [1, undefined] } };
  await rejects(saveCheckpoint(run, 1, files(1), missing), /extra\.a\[1\] is undefined/);
  await rejects(saveCheckpoint(run, 2, files(1), state(1)), /step 2 with a state of step 1/);
  await rejects(saveCheckpoint(run, 1, { '../x': new Map() }, state(1)), /file name "\.\.\/x"/);
  assert.equal(steps(run), []);
});

suite('another architecture is refused with field, expected and found', () => {
  const expected = { method: 'proposed', ngf: 16, levels: 6, heads: [1, 2] };
  const check = (architecture: TrainingState['architecture'], message: RegExp) =>
    assert.throws(
      () => expectArchitecture({ architecture }, expected, 'runs/a'),
      (error: Error) => error instanceof CheckpointError && message.test(error.message),
    );
  expectArchitecture(
    { architecture: { heads: [1, 2], levels: 6, ngf: 16, method: 'proposed' } },
    expected,
  );
  check({ ...expected, ngf: 64 }, /^runs\/a: .*field ngf: expected 16, found 64$/);
  check({ ...expected, method: 'reggan' }, /field method: expected "proposed", found "reggan"$/);
  check({ ...expected, heads: [1, 3] }, /field heads: expected \[1,2\], found \[1,3\]$/);
  check({ method: 'proposed', ngf: 16, heads: [1, 2] }, /field levels: expected 6, found nothing$/);
  check({ ...expected, extra: true }, /field extra: expected nothing, found true$/);
});

/** Runs the save loop, kills it some milliseconds after its first report; the last step reported. */
function saveUntilKilled(run: string, first: number, mode: string, delay: number): Promise<number> {
  const script = fileURLToPath(new URL('children/save-loop.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, run, String(first), mode]);
  let output = '';
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  child.stdout.on('data', (chunk) => {
    if (output === '') setTimeout(() => child.kill('SIGKILL'), delay);
    output += chunk;
  });
  return new Promise((done, fail) => {
    child.on('close', (_code, signal) => {
      const reported = output.split('\n').slice(0, -1).map(Number);
      if (signal === 'SIGKILL') done(reported.at(-1) ?? Number.NaN);
      else fail(new Error(`the save loop ended by itself: ${errors}`));
    });
  });
}

suite('a kill at any moment of a save leaves a good checkpoint', async ({ run }) => {
  let first = 1;
  let interrupted = 0;
  for (let round = 0; round < 6; round++) {
    const mode = round % 2 === 0 ? 'same' : 'once';
    const reported = await saveUntilKilled(run, first, mode, 1 + ((round * 37) % 60));
    const { state: found, files: loaded, skipped } = await loadCheckpoint(run);
    assert.equal(skipped, []);
    assert.ok(found.step >= reported, `loaded ${found.step}, reported ${reported}`);
    for (const [stem, scale] of [
      ['G_H', 1],
      ['D_H', 2],
      ['optimizer', 3],
    ] as const) {
      const data = loaded[stem]?.get('w')?.data;
      assert.ok(data?.length === 50_000 && data.every((v) => v === found.step * scale), stem);
    }
    if (steps(run).some((name) => name.startsWith('.'))) interrupted++;
    first = found.step + 1;
  }
  assert.ok(interrupted > 0, 'no kill fell into a save');
});

suite.run();

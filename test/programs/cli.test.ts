/** `npx sonolift`, a generator's file as the model, and how a model is bundled. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage } from '../../src/data/image.node.ts';
import { encodePng } from '../../src/data/image.ts';
import { loadGenerator } from '../../src/embed/generator.ts';
import { parseSafetensors, serializeSafetensors } from '../../src/nn/safetensors.ts';
import { openGpu } from '../../src/node.ts';
import { saveCheckpoint } from '../../src/run/checkpoint.ts';
import { assertOk, assertRefused, runProgram, snapshot } from '../support/program.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';

interface Context {
  folder: string;
  scan: string;
  model: string;
  run: string;
  /** What the model makes of the scan. */
  expected: Float32Array;
}

const BUNDLED = fileURLToPath(new URL('../../web/public/models/G_H.safetensors', import.meta.url));
const suite = createSuite<Context>('command line of the package');

suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-cli-'));
  const [scan, model, run] = ['scan.png', 'G_H.safetensors', 'run'].map((name) =>
    join(folder, name),
  );
  writeFileSync(scan, encodePng(randomImage(33, 20)));
  const gpu = await openGpu();
  const { bytes, architecture, tensors } = await tinyGenerator(gpu);
  const generator = await loadGenerator(gpu, bytes);
  const expected = (await generator.enhance(readImage(scan))).data;
  gpu.close();
  writeFileSync(model, bytes);
  const empty = { rng: {}, optimizers: {}, best: {} };
  const state = { step: 3, epoch: 0, batchIndex: 3, architecture, ...empty };
  await saveCheckpoint(run, 3, { G_H: tensors }, state);
  Object.assign(context, { folder, scan, model, run, expected });
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function assertEnhanced(path: string, expected: Float32Array, tolerance: number): void {
  const difference = largestDifference(readImage(path).data, expected);
  assert.ok(difference <= tolerance, `${difference}`);
}

suite('enhances with a generator in a file', async ({ folder, scan, model, expected }) => {
  const out = join(folder, 'by-file');
  const ended = await runProgram('cli', ['enhance', scan, '--out', out, '--checkpoint', model]);
  assertOk(ended);
  assert.match(ended.stdout, /model .*G_H\.safetensors\n/);
  assertEnhanced(join(out, 'scan.png'), expected, 0.5 / 255 + 1e-6);
});

suite('takes the bundled model, or says loudly that there is none', async ({ folder, scan }) => {
  const out = join(folder, 'by-default');
  const ended = await runProgram('cli', ['enhance', scan, '--out', out]);
  if (existsSync(BUNDLED)) {
    assertOk(ended);
    assert.ok(existsSync(join(out, 'scan.png')));
    return;
  }
  assertRefused(ended, 4, /^CheckpointError: this copy of sonolift has no bundled model/);
  assert.not.ok(existsSync(out));
});

suite('files that are no generator, and unknown commands', async ({ folder, scan, model }) => {
  const bare = join(folder, 'bare.safetensors');
  writeFileSync(bare, serializeSafetensors(parseSafetensors(readFileSync(model), model).tensors));
  const other = join(folder, 'other.safetensors');
  writeFileSync(other, serializeSafetensors(new Map(), { architecture: '{"method":"other"}' }));
  const out = join(folder, 'never');
  const enhance = (path: string) =>
    runProgram('cli', ['enhance', scan, '--out', out, '--checkpoint', path]);
  const before = snapshot(folder);
  assertRefused(await enhance(bare), 4, /its metadata does not say what it is/);
  assertRefused(await enhance(other), 4, /architecture\.method: expected proposed or/);
  assertRefused(await enhance(scan), 3, /safetensors/);
  assertRefused(await runProgram('cli', ['lift']), 2, /unknown command lift/);
  assertRefused(
    await runProgram('cli', ['enhance', '--out', out]),
    2,
    /npx sonolift enhance --help/,
  );
  assert.equal(snapshot(folder), before);
  assert.match((await runProgram('cli', ['--help'])).stdout, /npx sonolift enhance IMAGE/);
  assert.match((await runProgram('cli', ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

suite('bundling a checkpoint halves its size and keeps its images', async (context) => {
  const { folder, scan, model, run, expected } = context;
  const target = join(folder, 'models', 'small.safetensors');
  mkdirSync(join(folder, 'models'));
  const ended = await runProgram('bundle', ['--checkpoint', run, '--out', target]);
  assertOk(ended);
  assert.match(ended.stdout, /half floats change 3 simulated scans by at most 0\.\d+ of 255/);
  const [small, whole] = [target, model].map((path) => readFileSync(path));
  assert.ok(small.length < 0.7 * whole.length, `${small.length} of ${whole.length}`);
  const { tensors, metadata } = parseSafetensors(small, target);
  assert.ok([...tensors.values()].every(({ dtype }) => dtype === 'F16'));
  assert.is(metadata.step, '3');
  const out = join(folder, 'by-halves');
  assertOk(await runProgram('cli', ['enhance', scan, '--out', out, '--checkpoint', target]));
  assertEnhanced(join(out, 'scan.png'), expected, 2.5 / 255);
});

suite.run();

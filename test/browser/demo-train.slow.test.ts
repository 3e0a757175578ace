/** The training tab of the demo page in real Chromium, beside `src/train`. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import type { Page } from 'playwright-core';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { METHODS } from '../../src/methods/methods.ts';
import { parseSafetensors } from '../../src/nn/safetensors.ts';
import { openGpu } from '../../src/node.ts';
import { assertOk, runProgram } from '../support/program.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';
import { bring, choose, downloaded } from './demo-files.ts';
import { hideForMinutes, LIMIT, openDemo, waitForText, withDemo } from './demo-page.ts';

const suite = createSuite<{ folder: string; data: string; straight: string }>('demo: train');

/** Relative; another driver sums in another order, and Adam's first steps divide by small gradients. */
const TOLERANCE = 1e-3;
/** Weights follow the losses. */
const STEPS = 10;
const MORE = 3;
const COUNT = 10;

/** The form, and the same for `src/train`. */
const FORM = {
  count: COUNT,
  picture: 32,
  'data-seed': 1,
  size: 32,
  batch: 2,
  ngf: 2,
  ndf: 2,
  seed: 7,
};
const OPTIONS = [
  ...['--size', 32, '--levels', 3, '--ngf', 2, '--ndf', 2, '--batch', 2, '--seed', 7],
  ...['--lr', 0.002, '--dropout', 0.5, '--perceptual', 'random-features', '--read-every', 1],
  ...['--validate-every', 1000],
] as const;

/** What makes a method's networks small. */
const SMALL: Readonly<Record<string, string>> = {
  pix2pix: '--levels 2',
  proposed: '--levels 2',
  cyclegan: '--blocks 1',
  reggan: '--blocks 1',
  'stable-cyclegan': '--blocks 1',
  mspgan: '--blocks 1 --layers 1 --heads 2',
};

type Losses = Readonly<Record<string, number>>;

const readLines = (text: string): Losses[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

function assertSameLosses(found: readonly Losses[], expected: readonly Losses[]): void {
  assert.is(found.length, expected.length);
  let largest = 0;
  expected.forEach((record, index) => {
    for (const [name, value] of Object.entries(record)) {
      if (name === 'seconds') continue;
      const difference = Math.abs(found[index][name] - value) / Math.max(1e-2, Math.abs(value));
      assert.ok(difference <= TOLERANCE, `step ${record.step}: ${name} ${difference}`);
      largest = Math.max(largest, difference);
    }
  });
  console.log(`${found.length} steps: largest relative difference ${largest.toExponential(1)}`);
}

async function fillForm(page: Page, values: Readonly<Record<string, string | number>>) {
  for (const [name, value] of Object.entries({ ...FORM, ...values })) {
    await page.fill(`[name="${name}"]`, String(value));
  }
}

/** Waits until a run has done so many steps. */
async function waitForStep(page: Page, step: number): Promise<void> {
  const end = Date.now() + LIMIT;
  for (;;) {
    const title = (await page.textContent('#step-title')) ?? '';
    if (Number(/^Step (\d+)/.exec(title)?.[1] ?? 0) >= step) return;
    if (Date.now() > end) throw new Error(`expected step ${step}, found "${title}"`);
    await page.waitForTimeout(50);
  }
}

const OWN = { steps: STEPS, lr: 0.002, more: '--levels 3 --dropout 0.5' };

/** Starts a run as the form says and waits for its end. */
async function train(page: Page, end = /^Done after/): Promise<void> {
  await page.click('#train-start');
  await waitForText(page, 'train-status', end);
}

if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
  console.log('demo: skipped, the bundled Chromium is for Linux x64; set SONOLIFT_CHROMIUM');
  suite.skip('the page trains as Node does');
} else {
  const gpu = await openGpu();
  const { bytes } = await tinyGenerator(gpu);
  gpu.close();
  const demo = await openDemo(bytes);
  suite.after(() => demo.close());

  suite.before(async (context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'sonolift-demo-train-'));
    context.data = join(context.folder, 'data');
    context.straight = join(context.folder, 'straight');
    const pairs = ['--out', context.data, '--count', COUNT, '--size', 32];
    assertOk(await runProgram('simulate', pairs));
    const common = ['--data', context.data, '--out', context.straight];
    assertOk(await runProgram('train', [...common, ...OPTIONS, '--steps', STEPS + MORE]));
  });
  suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

  const logOf = (run: string): Losses[] => readLines(readFileSync(join(run, 'log.jsonl'), 'utf8'));

  suite('ten steps have the losses of Node, and Node goes on from the page', async (context) => {
    const { folder, data, straight } = context;
    const expected = logOf(straight);
    await withDemo(demo, { tab: 'train' }, async (page) => {
      await fillForm(page, OWN);
      await train(page);
      const log = await downloaded(page, 'log-export');
      assertSameLosses(readLines(Buffer.from(log.bytes).toString()), expected.slice(0, STEPS));
      const title = await page.textContent('#step-title');
      assert.match(title ?? '', /^Step 10, epoch 3/);
      assert.is(await page.locator('#samples figure').count(), 1);
      assert.is(await page.locator('.curve').count(), 2);

      const saved = await downloaded(page, 'checkpoint-save');
      assert.is(saved.name, 'step-000010.zip');
      const adopted = join(folder, 'adopted');
      for (const [name, bytes] of Object.entries(unzipSync(saved.bytes))) {
        const path = join(adopted, 'checkpoints', name);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, bytes);
      }
      const common = ['--data', data, '--out', adopted, ...OPTIONS];
      assertOk(await runProgram('train', [...common, '--steps', STEPS + MORE, '--resume']));
      assertSameLosses(logOf(adopted), expected.slice(STEPS));
      const scan = join(data, 'train_datasets', 'cyst', 'low_quality', '0003.png');
      const out = join(folder, 'enhanced');
      assertOk(await runProgram('enhance', ['--checkpoint', adopted, '--out', out, scan]));

      const exported = await downloaded(page, 'generator-export');
      assert.ok(parseSafetensors(exported.bytes, exported.name).tensors.size > 4);
      const pairs = unzipSync((await downloaded(page, 'pairs-export')).bytes);
      const name = 'train_datasets/cyst/low_quality/0003.png';
      assert.equal(Buffer.from(pairs[name]), readFileSync(join(data, name)));
      await page.click('#generator-use');
      await waitForText(
        page,
        'model-state',
        /the generator of the training tab \(method proposed, width 2/,
      );
      await page.click('#sample-open');
      await waitForText(page, 'enhance-status', /^Enhanced simulated-vessel/);
    });
  });

  suite('the page goes on from Node, on dropped pairs, with steps one by one and pauses', async ({
    folder,
    data,
    straight,
  }) => {
    const stopped = join(folder, 'stopped');
    const common = ['--data', data, '--out', stopped, ...OPTIONS];
    assertOk(await runProgram('train', [...common, '--steps', STEPS]));
    const step = join(stopped, 'checkpoints', 'step-000010');
    const checkpoint = Object.fromEntries(
      readdirSync(step).map((name) => [`step-000010/${name}`, readFileSync(join(step, name))]),
    );
    const pairs: Record<string, Uint8Array> = {};
    for (const name of readdirSync(data, { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.png')) pairs[name] = readFileSync(join(data, name));
    }
    await withDemo(demo, { tab: 'train' }, async (page) => {
      await bring(page, 'drop', 'pairs-drop', { name: 'pairs.zip', bytes: zipSync(pairs) });
      await waitForText(page, 'pairs-note', /^pairs\.zip$/);
      assert.ok(await page.isChecked('[name="data"][value="files"]'));
      await choose(page, 'checkpoint-file', { name: 'node.zip', bytes: zipSync(checkpoint) });
      await waitForText(page, 'checkpoint-note', /goes on from step-000010 \(proposed, step 10\)/);
      assert.is(await page.inputValue('[name="ngf"]'), '2');
      assert.match(await page.inputValue('[name="more"]'), /--levels 3.*--dropout 0.5/);
      await page.fill('[name="steps"]', String(STEPS + 1));
      await train(page, /^Done after 11 steps/);
      assert.ok(await page.isDisabled('#train-step'));
      const log = await downloaded(page, 'log-export');
      const expected = logOf(straight).slice(STEPS, STEPS + 1);
      assertSameLosses(readLines(Buffer.from(log.bytes).toString()), expected);

      await page.fill('[name="steps"]', '100000');
      await page.click('#train-start');
      await waitForStep(page, 12);
      await page.click('#train-pause');
      const paused = await waitForText(page, 'train-status', /^Paused at step \d+/);
      const at = Number(/\d+/.exec(paused)?.[0]);
      await page.click('#train-step');
      await waitForStep(page, at + 1);
      await page.waitForSelector('#train-pause:not([disabled])');
      assert.is(await page.textContent('#train-pause'), 'Resume');
      await page.click('#train-pause');
      await waitForStep(page, at + 3);

      const told = await hideForMinutes(page, 'train-status', /hidden for 5 min/);
      assert.match(told, /training went on for \d+ steps/);
      await page.click('#train-pause');
      await waitForText(page, 'train-status', /^Paused/);
    });
  });

  suite('what cannot be used is named, and the run stays', async ({ straight }) => {
    await withDemo(demo, { tab: 'train' }, async (page) => {
      await fillForm(page, { ...OWN, steps: 2 });
      await train(page);
      const refuses = async (message: RegExp) => {
        await page.click('#train-start');
        console.log(await waitForText(page, 'train-error', message));
        assert.match((await page.textContent('#step-title')) ?? '', /^Step 2,/);
        assert.ok(await page.isEnabled('#checkpoint-save'));
      };
      await page.fill('[name="more"]', '--levels 9');
      await refuses(/levels: expected a whole number from 2 to 8, found 9/);
      await page.fill('[name="more"]', '--levels 3 --norm batch');
      await refuses(/--norm: is not an option of --method proposed/);
      await page.fill('[name="more"]', '--levels 3 --perceptual vgg');
      await refuses(/[Pp]erceptual vgg: its trained weights are read from files/);
      await page.selectOption('[name="method"]', 'cyclegan');
      await page.fill('[name="more"]', '--blocks 1 --pool-size 1000');
      await refuses(/--pool-size: expected at most the \d+ training pairs, found 1000/);
      await page.selectOption('[name="method"]', 'proposed');
      await page.fill('[name="more"]', '--levels 3');
      await page.fill('[name="memory"]', '1');
      await page.fill('[name="ngf"]', '64');
      await refuses(/[Mm]emory budget .* exceeded/);
      await page.fill('[name="memory"]', '0');
      await page.fill('[name="ngf"]', '2');

      const text = new TextEncoder().encode('no zip');
      await choose(page, 'checkpoint-file', { name: 'text.zip', bytes: text });
      await waitForText(page, 'train-error', /text.zip: expected a zip file/);
      const step = join(straight, 'checkpoints', `step-0000${STEPS + MORE}`);
      const files = readdirSync(step).map((name) => ({
        name,
        bytes: new Uint8Array(readFileSync(join(step, name))),
      }));
      const spoilt = files.map((file) =>
        file.name === 'G_H.safetensors' ? { ...file, bytes: file.bytes.slice(1) } : file,
      );
      await choose(page, 'checkpoint-file', ...spoilt);
      await waitForText(page, 'train-error', /G_H.safetensors: damaged/);
      await choose(page, 'checkpoint-file', ...files);
      await waitForText(page, 'checkpoint-note', /step 13/);
      await page.fill('[name="ngf"]', '3');
      await refuses(/another architecture: field ngf: expected 3, found 2/);
      await page.click('#checkpoint-forget');
      const saved = await downloaded(page, 'checkpoint-save');
      assert.is(saved.name, 'step-000002.zip');
    });
  });

  suite('every method trains, at the size that is chosen, on a folder that is chosen', async ({
    data,
  }) => {
    await withDemo(demo, { tab: 'train' }, async (page) => {
      await page.setInputFiles('#pairs-folder', join(data, 'train_datasets'));
      await waitForText(page, 'pairs-note', /and \d+ more$/);
      const offered = await page.locator('[name="method"] option').allTextContents();
      assert.equal(
        offered,
        METHODS.map(({ name }) => name),
      );
      for (const method of offered) {
        await page.selectOption('[name="method"]', method);
        await fillForm(page, { steps: 2, size: 24, batch: 1, more: SMALL[method] ?? '' });
        await train(page);
        assert.match((await page.textContent('#step-title')) ?? '', /^Step 2, /);
        assert.ok((await page.locator('.curve').count()) > 0, method);
        const side = await page.evaluate("document.querySelector('#samples canvas').width");
        assert.is(side, 24, method);
        assert.match((await page.textContent('#samples')) ?? '', /PSNR [\d.]+ → [\d.]+ dB/);
        console.log(`${method}: ${await page.textContent('#run-note')}`);
        await page.click('#generator-use');
        await waitForText(page, 'model-state', new RegExp(`\\(method ${method}, width 2`));
        await page.click('#tab-train');
      }
    });
  });

  suite('a run survives a crash of the GPU', async () => {
    const expected = /GPU|gpu|WebGL|context|device/;
    await withDemo(demo, { tab: 'train', expected }, async (page) => {
      await fillForm(page, { ...OWN, steps: 100_000 });
      await page.click('#train-start');
      await waitForStep(page, 3);
      await page.click('#train-pause');
      const paused = await waitForText(page, 'train-status', /^Paused at step \d+/);
      const at = Number(/\d+/.exec(paused)?.[0]);
      await page.click('#train-pause');
      await waitForStep(page, at + 2);
      const session = await demo.browser.newBrowserCDPSession();
      await session.send('Browser.crashGpuProcess');
      // Either the loop met the loss, or it went on from the state kept without a word.
      console.log(await waitForText(page, 'train-error', /./));
      const kept = await waitForText(page, 'train-status', /kept as of step \d+/);
      assert.ok(Number(/\d+/.exec(kept)?.[0]) >= at, kept);
      await page.click('#train-pause');
      await waitForStep(page, at + 3);
      await page.click('#train-pause');
      await waitForText(page, 'train-status', /^Paused/);
    });
  });
}

suite.run();

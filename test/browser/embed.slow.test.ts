/** The embedding API in a page of real Chromium gives what it gives in Node. */
import type { Page } from 'playwright-core';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadGenerator } from '../../src/embed/generator.ts';
import { PairTrainer } from '../../src/embed/pair-trainer.ts';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { openGpu, openNodeGpu } from '../../src/node.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';
import { TRAINER_OPTIONS, trainingPairs } from '../support/training-pairs.ts';
import { openChromium } from './chromium.ts';
import type { EnhanceTask, Tasks } from './embed.ts';
import { serveBundle } from './page.ts';

const suite = createSuite('embedding in Chromium');

const MODEL = '/G_H.safetensors';
const ENHANCE_TOLERANCE = 1e-5;
/** Relative; another driver sums in another order, and Adam's first steps divide by small gradients. */
const LOSS_TOLERANCE = 1e-3;
const STEPS = 10;
const LIMIT = 5 * 60_000;

/** Opens the test page, runs `body` in it, and fails if the page complained. */
async function withPage(
  model: Uint8Array,
  options: { webgpu?: boolean },
  body: (tab: Page) => Promise<void>,
): Promise<void> {
  const page = await serveBundle('embed.ts', new Map([[MODEL, model]]));
  const browser = await openChromium(options);
  try {
    const tab = await browser.newPage();
    tab.setDefaultTimeout(LIMIT);
    const complaints: string[] = [];
    tab.on('pageerror', (error) => complaints.push(String(error)));
    tab.on('console', (line) => {
      if (line.type() === 'error') complaints.push(line.text());
    });
    await tab.goto(page.url);
    await body(tab);
    assert.equal(complaints, []);
  } finally {
    await browser.close();
    page.close();
  }
}

/** Calls a task of the page's script. */
function call<Name extends keyof Tasks>(
  tab: Page,
  name: Name,
  input: Parameters<Tasks[Name]>[0] | null,
): Promise<Awaited<ReturnType<Tasks[Name]>>> {
  return tab.evaluate(`tasks.${name}(${JSON.stringify(input)})`);
}

if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
  console.log('embed: skipped, the bundled Chromium is for Linux x64; set SONOLIFT_CHROMIUM');
  suite.skip('a page enhances as Node does');
} else {
  suite('a page and a worker enhance as Node does, on any device, whole and tiled, and survive a loss', async () => {
    const gpu = await openGpu();
    const { bytes } = await tinyGenerator(gpu);
    const model = await loadGenerator(gpu, bytes);
    const small = randomImage(32, 32);
    const large = randomImage(75, 50);
    const task = (image: typeof small, tile: number): EnhanceTask => ({
      model: MODEL,
      image: { ...image, data: [...image.data] },
      tile,
    });
    const compare = (what: string, found: ArrayLike<number>, expected: ArrayLike<number>) => {
      const difference = largestDifference(found, expected);
      console.log(`${what}: largest difference ${difference.toExponential(1)}`);
      assert.ok(difference <= ENHANCE_TOLERANCE, `${what}: ${difference}`);
    };
    const whole = (await model.enhance(small)).data;
    const tiled = (await model.enhance(large, { tile: 32 })).data;
    await withPage(bytes, {}, async (tab) => {
      console.log(await tab.evaluate<string>('navigator.userAgent'));
      compare('page', await call(tab, 'enhance', task(small, 0)), whole);
      compare('page, tiles', await call(tab, 'enhance', task(large, 32)), tiled);
      compare('worker', await call(tab, 'enhanceInWorker', task(small, 0)), whole);

      const own = await call(tab, 'enhanceOnOwnDevice', task(small, 0));
      compare("the page's own device", own.data, whole);
      assert.equal([own.after, own.errors], [[3, 4], []]);

      const levels = small.data.map((value) => Math.round(255 * value) / 255);
      const rounded = (await model.enhance({ ...small, data: levels })).data;
      const drawn = await call(tab, 'enhanceDrawables', task({ ...small, data: levels }, 0));
      assert.is(drawn.length, 5);
      drawn.forEach((found, index) => {
        compare(`canvas kind ${index}`, found, rounded);
      });

      const { reason, failure, after } = await call(tab, 'surviveLoss', task(small, 0));
      assert.equal({ reason, failure }, { reason: 'destroyed', failure: 'lost' });
      compare('after a loss', after, whole);
    });
    gpu.close();
  });

  suite('a page measures kernels once and remembers them in IndexedDB', async () => {
    const gpu = await openGpu();
    const { bytes } = await tinyGenerator(gpu);
    const model = await loadGenerator(gpu, bytes);
    const image = randomImage(32, 32);
    const expected = (await model.enhance(image)).data;
    gpu.close();
    await withPage(bytes, {}, async (tab) => {
      const task = { model: MODEL, image: { ...image, data: [...image.data] }, tile: 0 };
      const first = await call(tab, 'enhanceTuned', task);
      assert.is(first.said.length, 1, first.said.join('\n'));
      assert.match(
        first.said[0],
        /^sonolift: kernels: [1-9].*, [1-9]\d* measured in .*; \d+ leave/,
      );
      assert.ok(Object.keys(first.chosen).length > 0);
      await tab.reload();
      const second = await call(tab, 'enhanceTuned', task);
      assert.match(second.said.join(), /, 0 measured in /);
      assert.equal(second.chosen, first.chosen);
      for (const { data } of [first, second]) {
        assert.ok(largestDifference(data, expected) <= ENHANCE_TOLERANCE);
      }
    });
  });

  suite('ten training steps in a page have the losses of Node', async () => {
    // On the page's own kind of device: others round otherwise, and Adam's first steps make much of little.
    const gpu = await openNodeGpu(swiftShaderRunsHere ? { device: 'swiftshader' } : {});
    const trainer = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
    const expected: Readonly<Record<string, number>>[] = [];
    for (let step = 0; step < STEPS; step++) expected.push((await trainer.trainStep()).losses);
    trainer.dispose();
    gpu.close();
    await withPage(new Uint8Array(), {}, async (tab) => {
      const found = await call(tab, 'train', STEPS);
      assert.is(found.length, STEPS);
      let largest = 0;
      expected.forEach((losses, step) => {
        assert.equal(Object.keys(found[step]), Object.keys(losses));
        for (const [name, value] of Object.entries(losses)) {
          const difference = Math.abs(found[step][name] - value) / Math.max(1e-2, Math.abs(value));
          largest = Math.max(largest, difference);
          assert.ok(difference <= LOSS_TOLERANCE, `step ${step + 1}: ${name} ${difference}`);
        }
      });
      console.log(`${STEPS} steps: largest relative difference ${largest.toExponential(1)}`);
    });
  });

  suite('a browser without a usable GPU is told what to do', async () => {
    await withPage(new Uint8Array(), { webgpu: false }, async (tab) => {
      const { reason, message } = await call(tab, 'openFailure', null);
      console.log(`${reason}: ${message}`);
      assert.ok(['unsupported', 'no-adapter'].includes(reason), message);
      assert.match(message, /Chrome/);
    });
  });
}

suite.run();

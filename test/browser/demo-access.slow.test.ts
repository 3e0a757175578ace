/** The demo page for everybody: without WebGPU, by keyboard, on a phone, in light and dark; the kernels tab. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { openGpu } from '../../src/node.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';
import { openDemo, waitForText, withDemo } from './demo-page.ts';

const suite = createSuite('demo: access');

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TABS = ['enhance', 'train', 'kernels'] as const;
/** Pixels: the narrowest phones in use. */
const PHONE = 360;

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
  readonly passes: readonly unknown[];
}

async function assertAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate<AxeResult>('axe.run()');
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${what}: ${id}: ${html}: ${failureSummary}`),
  );
  assert.equal(found, []);
  console.log(`${what}: ${passes.length} rules hold`);
  assert.ok(passes.length > 20, `${what}: axe looked at ${passes.length} rules only`);
}

async function assertFits(page: Page, what: string): Promise<void> {
  let width = Number.POSITIVE_INFINITY;
  // Plots follow a change of the window's width a little later.
  for (let trial = 0; trial < 50 && width > PHONE; trial++) {
    await page.waitForTimeout(trial ? 100 : 0);
    width = await page.evaluate<number>('document.documentElement.scrollWidth');
  }
  assert.ok(width <= PHONE, `${what}: ${width} pixels wide`);
}

if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
  console.log('demo: skipped, the bundled Chromium is for Linux x64; set SONOLIFT_CHROMIUM');
  suite.skip('the page is there for everybody');
} else {
  const gpu = await openGpu();
  const { bytes } = await tinyGenerator(gpu);
  gpu.close();
  const demo = await openDemo(bytes);
  suite.after(() => demo.close());

  for (const dark of [false, true]) {
    suite(`axe finds no fault on any tab, ${dark ? 'dark' : 'light'}, wide and narrow`, async () => {
      await withDemo(demo, { dark, width: PHONE }, async (page) => {
        await waitForText(page, 'model-state', /^Model/);
        await page.click('#sample-open');
        await waitForText(page, 'enhance-status', /^Enhanced/);
        await page.waitForSelector('#scores td:nth-child(3):has-text("dB")');
        await page.click('#tab-train');
        for (const [name, value] of Object.entries({
          count: 4,
          size: 32,
          ngf: 2,
          ndf: 2,
          steps: 2,
        })) {
          await page.fill(`[name="${name}"]`, String(value));
        }
        await page.fill('#more', '--levels 3');
        await page.click('#train-start');
        await waitForText(page, 'train-status', /^Done/);
        for (const tab of TABS) {
          await page.click(`#tab-${tab}`);
          await page.setViewportSize({ width: PHONE, height: 740 });
          await assertFits(page, tab);
          await assertAccessible(page, `${tab}, ${PHONE} px`);
          await page.setViewportSize({ width: 1180, height: 900 });
          await assertAccessible(page, `${tab}, wide`);
        }
      });
    });
  }

  suite('tabs, theme and help by keyboard alone', async () => {
    await withDemo(demo, {}, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      await page.keyboard.press('Tab');
      assert.is(await page.evaluate('document.activeElement.id'), 'theme');
      await page.keyboard.press('Enter');
      assert.is(await page.textContent('#theme'), 'Theme: light');
      await page.keyboard.press('Tab');
      for (const [key, tab] of [
        ['ArrowRight', 'train'],
        ['ArrowRight', 'kernels'],
        ['ArrowRight', 'enhance'],
        ['End', 'kernels'],
        ['Home', 'enhance'],
      ]) {
        await page.keyboard.press(key);
        assert.is(await page.evaluate('document.activeElement.id'), `tab-${tab}`);
        assert.ok(await page.isVisible(`#panel-${tab}`));
        assert.is(new URL(page.url()).hash, `#${tab}`);
      }
      // Every control of every tab is reached.
      for (const tab of TABS) {
        await page.click(`#tab-${tab}`);
        const wanted = await page.evaluate<number>(`
          [...document.querySelectorAll('#panel-${tab} :is(button, input, select)')]
            .filter((e) => !e.disabled && e.checkVisibility() && (e.type !== 'radio' || e.checked)).length`);
        const reached = new Set<string>();
        for (let i = 0; i < wanted + 4; i++) {
          await page.keyboard.press('Tab');
          reached.add(
            await page.evaluate<string>(`(() => {
              const e = document.activeElement;
              return e.closest('#panel-${tab}') && e.matches('button, input, select')
                ? e.id || e.name + e.value : '';
            })()`),
          );
        }
        reached.delete('');
        assert.is(reached.size, wanted, `${tab}: ${[...reached]}`);
      }
    });
  });

  suite('kernels are checked, timed, stopped and copied', async () => {
    await withDemo(demo, { tab: 'kernels' }, async (page) => {
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.fill('#kernels-filter', 'no such kernel');
      await page.click('#kernels-run');
      await waitForText(page, 'kernels-error', /No kernel has these words/);
      await page.fill('#kernels-filter', 'b1');
      await page.click('#kernels-run');
      await page.waitForSelector('#kernels-table tbody tr');
      await page.click('#kernels-stop');
      const status = await waitForText(
        page,
        'kernels-status',
        /kernels timed, stopped, 0 with wrong/,
      );
      console.log(status);
      await page.click('#kernels-copy');
      await waitForText(page, 'kernels-status', /^Copied \d+ results/);
      const report = JSON.parse(await page.evaluate('navigator.clipboard.readText()'));
      const rows = await page.locator('#kernels-table tbody tr').count();
      assert.is(report.results.length, rows);
      assert.match(report.adapter, /swiftshader/i);
      assert.ok(report.peak.gigaflops > 0 && report.peak.gigabytes > 0);
      for (const { correct, share, milliseconds, error, tolerance } of report.results) {
        assert.ok(correct && error <= tolerance);
        assert.ok(milliseconds > 0 && share > 0 && share < 1.5, `share ${share}`);
      }
    });
  });

  suite('kernels are timed again after a crash of the GPU', async () => {
    const expected = /GPU|gpu|WebGL|context|device/;
    await withDemo(demo, { tab: 'kernels', expected }, async (page) => {
      await page.fill('#kernels-filter', 'forward unet.down b1');
      await page.click('#kernels-run');
      await page.waitForSelector('#kernels-table tbody tr');
      const session = await demo.browser.newBrowserCDPSession();
      await session.send('Browser.crashGpuProcess');
      console.log(await waitForText(page, 'kernels-error', /Nothing you chose is gone|adapter/));
      const kept = await page.locator('#kernels-table tbody tr').count();
      assert.ok(kept > 0, 'results so far stay');
      await page.fill('#kernels-filter', 'forward unet.down8 b1');
      await page.click('#kernels-run');
      console.log(await waitForText(page, 'kernels-status', /1 of 1 kernels timed, 0 with wrong/));
    });
  });

  suite('loads nothing but its own files, under a strict policy', async () => {
    await withDemo(demo, { expected: /example\.org/ }, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      const meta = page.locator('meta[http-equiv="Content-Security-Policy"]');
      const policy = (await meta.getAttribute('content')) ?? '';
      assert.match(policy, /default-src 'none'.*script-src 'self'.*connect-src 'self'/);
      assert.not.match(policy, /unsafe|https?:|\*/);
      const refused = await page.evaluate<string>(
        "fetch('https://example.org/').then(() => 'loaded', (error) => String(error))",
      );
      assert.match(refused, /Failed to fetch/);
    });
  });

  suite('without a model the page says so, and everything else works', async () => {
    const bare = await openDemo(undefined);
    try {
      await withDemo(bare, { expected: /404/ }, async (page) => {
        console.log(await waitForText(page, 'model-state', /^No model comes with this copy/));
        assert.ok(await page.locator('#model-state.warning').isVisible());
        await page.click('#sample-open');
        await waitForText(page, 'enhance-error', /no model/);
        assert.ok(await page.isDisabled('#enhance-run'));
        await page.setInputFiles('#model-file', {
          name: 'mine.safetensors',
          mimeType: 'application/octet-stream',
          buffer: Buffer.from(bytes),
        });
        await waitForText(page, 'model-state', /^Model: mine.safetensors/);
        await page.click('#enhance-run');
        await waitForText(page, 'enhance-status', /^Enhanced simulated-vessel/);
      });
    } finally {
      await bare.close();
    }
  });

  suite('without WebGPU there is help instead of a blank page', async () => {
    const without = await openDemo(bytes, { webgpu: false });
    try {
      await withDemo(without, { width: PHONE, expected: /WebGPU|adapter/ }, async (page) => {
        await page.waitForSelector('#help:not([hidden])');
        console.log(await waitForText(page, 'help-reason', /WebGPU/));
        assert.is(await page.textContent('#adapter'), 'Device: none');
        assert.match((await page.textContent('#model-state')) ?? '', /^No model yet/);
        await assertFits(page, 'help');
        await assertAccessible(page, 'help');
        await page.click('#help-retry');
        await page.waitForSelector('#help:not([hidden])');
        await page.click('#tab-kernels');
        await page.click('#kernels-run');
        await waitForText(page, 'kernels-error', /WebGPU/);
        await page.click('#tab-train');
        await page.click('#train-start');
        await waitForText(page, 'train-error', /WebGPU/);
        assert.ok(await page.isEnabled('#train-start'));
      });
    } finally {
      await without.close();
    }
  });
}

suite.run();

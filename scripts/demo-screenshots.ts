/**
 * Takes the pictures of docs/demo.md: every tab of the built page in Chromium, on simulated data only.
 *
 *     npx tsx scripts/demo-screenshots.ts --model G_H.safetensors
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { DataError } from '../src/errors.ts';
import { numberOption, type ProgramSpec, stringOption } from '../src/run/options.ts';
import { runProgram } from '../src/run/program.ts';
import { openDemo, waitForText, withDemo } from '../test/browser/demo-page.ts';

const PROGRAM: ProgramSpec = {
  command: 'npx tsx scripts/demo-screenshots.ts',
  summary: 'Renews the pictures of the demo page in docs/images.',
  options: {
    model: {
      description: 'generator of the enhance tab',
      what: 'FILE',
      default: 'web/public/models/G_H.safetensors',
    },
    steps: { description: 'training steps shown', default: 200, integer: true, min: 2 },
    kernels: {
      description: 'words of the kernels shown',
      what: 'WORDS',
      default: 'forward unet.down b1',
    },
    out: { description: 'folder to write to', what: 'DIR', default: 'docs/images' },
  },
};

async function shoot(page: Page, folder: string, name: string): Promise<void> {
  const path = join(folder, `demo-${name}.png`);
  writeFileSync(path, await page.screenshot({ fullPage: true, scale: 'css' }));
  process.stdout.write(`${path}\n`);
}

await runProgram(PROGRAM, async ({ values }) => {
  const model = stringOption(values, 'model');
  if (!existsSync(model))
    throw new DataError(`${model}: no such file; name a generator with --model`);
  const out = stringOption(values, 'out');
  const steps = numberOption(values, 'steps');
  const demo = await openDemo(readFileSync(model));
  try {
    await withDemo(demo, { width: 960 }, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      await page.selectOption('#sample', { label: 'layers' });
      await page.click('#sample-open');
      await waitForText(page, 'enhance-status', /^Enhanced/);
      await page.waitForSelector('#scores td:nth-child(3):has-text("dB")');
      await shoot(page, out, 'enhance');
    });
    await withDemo(demo, { tab: 'train', width: 960 }, async (page) => {
      await page.fill('[name="steps"]', String(steps));
      await page.fill('#more', '--levels 4 --dropout 0');
      await page.click('#train-start');
      await waitForText(page, 'train-status', /^Done/);
      await shoot(page, out, 'train');
    });
    await withDemo(demo, { tab: 'kernels', width: 960, dark: true }, async (page) => {
      await page.fill('#kernels-filter', stringOption(values, 'kernels'));
      await page.click('#kernels-run');
      await waitForText(page, 'kernels-status', /kernels timed/);
      await shoot(page, out, 'kernels');
    });
  } finally {
    await demo.close();
  }
});

/** The example of a page, built with Vite as it stands there, in real Chromium. */
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage } from '../../src/data/decode-image.ts';
import { encodePng, quantise } from '../../src/data/image.ts';
import { loadGenerator } from '../../src/embed/generator.ts';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { openGpu } from '../../src/node.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';
import { openDemo, withDemo } from './demo-page.ts';

const suite = createSuite('example page');
const EXAMPLE = fileURLToPath(new URL('../../examples/05-page/vite.config.ts', import.meta.url));
/** Grey levels of 8 bits; one, where a value lies next to the middle of two. */
const TOLERANCE = 1;

function waitForStatus(page: Page, start: string): Promise<unknown> {
  return page.waitForFunction(`document.querySelector('p').textContent.startsWith('${start}')`);
}

const READ_AFTER = `(() => {
  const canvas = document.querySelectorAll('canvas')[1];
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, i) => i % 4 === 0);
})()`;

if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
  console.log('example: skipped, the bundled Chromium is for Linux x64; set SONOLIFT_CHROMIUM');
  suite.skip('the example enhances');
} else {
  suite('it enhances in its worker as Node does, after a crash of the GPU too', async () => {
    const gpu = await openGpu();
    const { bytes } = await tinyGenerator(gpu);
    const png = encodePng(randomImage(45, 32));
    const model = await loadGenerator(gpu, bytes);
    const expected = quantise(await model.enhance(decodeImage(png, 'scan.png')));
    gpu.close();
    const example = await openDemo(bytes, {}, EXAMPLE);
    try {
      await withDemo(example, { expected: /GPU|gpu|WebGL|context|device/ }, async (page) => {
        const choose = (name: string, content: Uint8Array) =>
          page.setInputFiles('input', { name, mimeType: '', buffer: Buffer.from(content) });
        const assertEnhanced = async (name: string): Promise<void> => {
          await page.evaluate("document.querySelector('p').textContent = ''");
          await choose(name, png);
          await waitForStatus(page, 'Enhanced on');
          const difference = largestDifference(await page.evaluate<number[]>(READ_AFTER), expected);
          console.log(`${name}: largest difference ${difference} of 255`);
          assert.ok(difference <= TOLERANCE, `${name}: ${difference}`);
        };
        await assertEnhanced('scan.png');
        await choose('text.png', new TextEncoder().encode('no image'));
        await waitForStatus(page, 'text.png is no image');
        const session = await example.browser.newBrowserCDPSession();
        await session.send('Browser.crashGpuProcess');
        await page.waitForTimeout(2000);
        await assertEnhanced('after-a-crash.png');
      });
    } finally {
      await example.close();
    }
  });
}

suite.run();

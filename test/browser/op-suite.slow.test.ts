/** All ops in a page of real Chromium: the same registry, the same tolerances, another WebGPU. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { OPS } from '../../src/autograd/registry/index.ts';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { openChromium } from './chromium.ts';
import type { PageReport } from './op-suite.ts';
import { serveBundle } from './page.ts';

const suite = createSuite('ops in Chromium');

/** Minutes for all rows; compiling on a CPU is most of it. */
const LIMIT = 25 * 60_000;

if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
  console.log('op-suite: skipped, the bundled Chromium is for Linux x64; set SONOLIFT_CHROMIUM');
  suite.skip('every op agrees with its reference in the page');
} else {
  suite('every op agrees with its reference in the page', async () => {
    const page = await serveBundle('op-suite.ts');
    const browser = await openChromium();
    try {
      const tab = await browser.newPage();
      tab.setDefaultTimeout(LIMIT);
      const complaints: string[] = [];
      tab.on('pageerror', (error) => complaints.push(String(error)));
      if (process.env.SONOLIFT_SHOW_PAGE) tab.on('console', (line) => console.log(line.text()));
      await tab.goto(page.url);
      const report = await tab.evaluate<PageReport>('runOpSuite()');
      console.log(`${report.adapter}; ${report.userAgent}`);
      assert.equal(complaints, []);
      assert.equal(
        report.rows.map(({ name }) => name),
        OPS.map(({ name }) => name),
      );
      const faults = report.rows.flatMap((row) =>
        row.faults.map((fault) => `${row.name}: ${fault}`),
      );
      assert.equal(faults, []);
      assert.ok(report.rows.every(({ samples }) => samples > 0));
      assert.match(report.userAgent, /Chrome/);
    } finally {
      await browser.close();
      page.close();
    }
  });
}

suite.run();

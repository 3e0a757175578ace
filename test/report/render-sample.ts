/** Writes a sample report to look at: npx tsx test/report/render-sample.ts report.html */
import { writeFileSync } from 'node:fs';
import { loadReportAssets } from '../../src/report/assets.node.ts';
import { renderReport } from '../../src/report/report.ts';
import { sampleContent } from './sample.ts';

const path = process.argv[2];
if (path === undefined) {
  console.error('usage: npx tsx test/report/render-sample.ts OUT.html');
  process.exitCode = 2;
} else {
  writeFileSync(path, renderReport(sampleContent(), loadReportAssets()));
  console.log(`wrote ${path}`);
}

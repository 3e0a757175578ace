import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ReportAssets } from './types.ts';

const require = createRequire(import.meta.url);

function ownFile(name: string): string {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
}

/** The scripts and style sheets that a report carries inside: uPlot's (MIT) and this project's. */
export function loadReportAssets(): ReportAssets {
  return {
    plotScript: readFileSync(require.resolve('uplot/dist/uPlot.iife.min.js'), 'utf8'),
    plotStyle: readFileSync(require.resolve('uplot/dist/uPlot.min.css'), 'utf8'),
    pageScript: ownFile('page.js'),
    pageStyle: ['page.css', 'pictures.css', 'scores-and-curves.css'].map(ownFile).join('\n'),
  };
}

import { readFileSync } from 'node:fs';
import type { BenchmarkAssets } from './page.ts';

function ownFile(name: string): string {
  return readFileSync(new URL(`../assets/${name}`, import.meta.url), 'utf8');
}

/** The script and style sheets of a benchmark's page. */
export function loadBenchmarkAssets(): BenchmarkAssets {
  return {
    script: ownFile('benchmark.js'),
    style: ['page.css', 'benchmark.css'].map(ownFile).join('\n'),
  };
}

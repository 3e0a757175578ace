/** Every example runs as its first lines say, and does what it says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage, writePng } from '../../src/data/image.node.ts';
import { simulatePair } from '../../src/data/simulator/simulator.ts';
import { largestDifference } from '../support/tiny-generator.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const suite = createSuite('examples');
const folder = mkdtempSync(join(tmpdir(), 'sonolift-examples-'));
const covered = new Set<string>();

function run(name: string, ...args: string[]): string {
  covered.add(name);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, join(ROOT, 'examples', name), ...args],
    { cwd: ROOT, encoding: 'utf8', timeout: 240_000 },
  );
  assert.is(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

suite('a generator is trained, saved, and enhances an image', () => {
  const model = join(folder, 'generator.safetensors');
  const trained = run('01-train.ts', model, '10');
  assert.match(trained, /step 10: G [\d.]+, D [\d.]+/);
  assert.match(trained, /low quality.*psnr[\s\S]*enhanced.*psnr/);
  const [scan, result] = [join(folder, 'scan.png'), join(folder, 'enhanced.png')];
  const { low } = simulatePair(3, 0, { size: 90 });
  writePng(scan, low);
  assert.match(run('02-enhance.ts', model, scan, result), /tile 1 of 1\nsaved .* \(90x90\)/);
  assert.ok(largestDifference(readImage(result).data, readImage(scan).data) > 0.02);
});

suite('two images are scored', () => {
  const said = run('03-metrics.ts');
  const [, low, worse] = /^PSNR +low quality +([\d.]+) dB, degraded again +([\d.]+) dB$/m.exec(
    said,
  ) ?? ['', '', ''];
  assert.ok(Number(low) > Number(worse) && Number(worse) > 0, said);
});

suite('a kernel runs on its own', () => {
  assert.match(run('04-kernel.ts'), /-0\.5 -0\.25 0 1 2 3 -1 8\nas computed on the host/);
});

suite('no example is left out', () => {
  // The page runs in a browser: test/browser/example.slow.
  covered.add('05-page');
  assert.equal([...covered].sort(), readdirSync(join(ROOT, 'examples')).sort());
});

suite.after(() => rmSync(folder, { recursive: true, force: true }));
suite.run();

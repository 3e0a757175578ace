import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage } from '../../src/data/image.node.ts';
import { encodePng } from '../../src/data/image.ts';
import { findPairs } from '../../src/data/layout.node.ts';
import { simulateCommand } from '../../src/data/simulate-command.node.ts';
import { simulatePair } from '../../src/data/simulator/simulator.ts';
import { SonoliftError } from '../../src/errors.ts';

const suite = createSuite('simulate');
const root = fileURLToPath(new URL('../..', import.meta.url));
let folder = '';
suite.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonolift-simulate-'));
});
suite.after.each(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]): Promise<string> {
  let printed = '';
  await simulateCommand(
    args,
    (text) => {
      printed += text;
    },
    (line) => {
      printed += `${line}\n`;
    },
  );
  return printed;
}

async function fails(exitCode: number, pattern: RegExp, ...args: string[]): Promise<void> {
  let failure: unknown;
  await run(...args).catch((error: unknown) => {
    failure = error;
  });
  assert.instance(failure, SonoliftError);
  const error = failure as SonoliftError;
  assert.is(error.exitCode, exitCode);
  assert.match(error.message, pattern);
  assert.not.match(error.message, /\n/);
}

suite('writes the layout, a manifest and nothing else', async () => {
  const out = join(folder, 'a', 'data');
  assert.match(await run('--out', out, '--count', '6', '--size', '32', '--seed', '9'), /6 pairs/);
  const pairs = findPairs(out);
  assert.is(pairs.length, 6);
  assert.equal(readdirSync(join(folder, 'a')), ['data']);
  assert.equal(readdirSync(out).sort(), ['MANIFEST.tsv', 'train_datasets']);
  const lines = readFileSync(join(out, 'MANIFEST.tsv'), 'utf8').trim().split('\n');
  assert.is(lines.length, 7);
  assert.is(lines[6], '0006\tvessel\tsimulated\t9\t5\t32');
  const first = pairs.find((pair) => pair.name === '0001');
  const { low } = simulatePair(9, 0, { size: 32 });
  const stored = readImage(first?.low ?? '');
  for (let i = 0; i < stored.data.length; i++) {
    assert.ok(Math.abs((stored.data[i] as number) - (low.data[i] as number)) <= 0.5 / 255 + 1e-6);
  }
});

suite('degrades given images, converting colour and saying so', async () => {
  const from = join(folder, 'high');
  mkdirSync(from);
  const { high } = simulatePair(1, 3, { size: 48 });
  writeFileSync(join(from, 'b.png'), encodePng(high));
  const colour = new PNG({ width: 60, height: 20 });
  colour.data.fill(200);
  colour.data[0] = 10;
  writeFileSync(join(from, 'a.png'), PNG.sync.write(colour, { colorType: 2 }));
  const out = join(folder, 'out');
  const printed = await run('--out', out, '--from', from, '--size', '32');
  assert.match(printed, /high: colour images are converted to grey \(first: a\.png\)/);
  assert.match(printed, /high: images smaller than 32x32 are continued .* \(first: a\.png\)/);
  const pairs = findPairs(out);
  assert.equal(
    pairs.map((pair) => pair.name),
    ['0001', '0002'],
  );
  const manifest = readFileSync(join(out, 'MANIFEST.tsv'), 'utf8');
  assert.match(manifest, /0001\tdegraded\ta\.png/);
  await fails(
    3,
    /expected at least 5 images, found 2/,
    '--out',
    join(folder, 'x'),
    '--from',
    from,
    '--count',
    '5',
  );
  writeFileSync(join(from, 'c.png'), 'text');
  await fails(3, /c\.png: expected a PNG or JPEG/, '--out', join(folder, 'x'), '--from', from);
  assert.equal(readdirSync(folder).sort(), ['high', 'out']);
});

suite('refuses bad options and existing output, leaving nothing', async () => {
  const out = join(folder, 'x');
  await fails(2, /--out DIR is missing/);
  await fails(2, /--bogus/, '--bogus');
  await fails(2, /stray/, '--out', out, 'stray');
  await fails(2, /--count expects .* found "0"/, '--out', out, '--count', '0');
  await fails(2, /--size expects .* found "1e3"/, '--out', out, '--size', '1e3');
  await fails(2, /--seed expects .* found "-1"/, '--out', out, '--seed=-1');
  await fails(2, /--tissue expects vessel, .* found "brain"/, '--out', out, '--tissue', 'brain');
  await fails(2, /--fit needs --from/, '--out', out, '--fit', 'crop');
  writeFileSync(join(folder, 'file'), 'x');
  await fails(3, /existing files/, '--out', folder);
  await fails(3, /existing files/, '--out', join(folder, 'file'));
  await fails(3, /file/, '--out', join(folder, 'file', 'sub'), '--count', '1', '--size', '16');
  await fails(3, /absent/, '--out', out, '--from', join(folder, 'absent'));
  assert.equal(readdirSync(folder), ['file']);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  suite(`${signal} leaves nothing behind`, async () => {
    const program = join(root, 'src/data/simulate.ts');
    const args = ['--out', join(folder, 'out'), '--count', '9999', '--size', '32'];
    const child = spawn(process.execPath, [...process.execArgv, program, ...args]);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    // Only once something lies in the temporary folder is there something to leave behind.
    const watch = setInterval(() => {
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
      if (names.some((name) => name.endsWith('.png'))) {
        clearInterval(watch);
        child.kill(signal);
      }
    }, 20);
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    }).finally(() => clearInterval(watch));
    assert.equal(readdirSync(folder), []);
    assert.is(code, 130, stderr);
    assert.match(stderr, /^InterruptedError: .*out: interrupted, nothing was written\n$/);
  });
}

suite('runs as npx tsx src/data/simulate with help and exit codes', () => {
  const tsx = join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs');
  const spawn = (...args: string[]) =>
    spawnSync(process.execPath, [tsx, 'src/data/simulate', ...args], {
      cwd: root,
      encoding: 'utf8',
    });
  const help = spawn('--help');
  assert.is(help.status, 0);
  for (const option of ['--out', '--count', '--size', '--seed', '--from']) {
    assert.match(help.stdout, option);
  }
  assert.is(help.stderr, '');
  const unknown = spawn('--colour');
  assert.is(unknown.status, 2);
  assert.match(unknown.stderr, /^UsageError: .*--colour.*\n$/);
  assert.is(existsSync(join(root, '--colour')), false);
});

suite.run();

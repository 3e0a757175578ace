/**
 * Runs the tests under V8's coverage and prints the share of lines of src/ and kernels/ that ran, in
 * whichever process: `npm run coverage [-- part of a test's name …]`. Exits non-zero below 90 %, or
 * when a test fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LEAST_LINES = 90;

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = createRequire(import.meta.url).resolve('c8/package.json');
const program = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin);

/** Only types: nothing of them is left to run. */
const TYPES_ONLY = [
  'kernels/*-spec.ts',
  'kernels/conv2d/convolution-request.ts',
  'src/autograd/graph.ts',
  'src/gpu/buffer-range.ts',
  'src/report/types.ts',
];

const measured = mkdtempSync(join(tmpdir(), 'sonolift-coverage-'));

const { status } = spawnSync(
  process.execPath,
  [
    program,
    '--all',
    // Not within the project, where the style check of the tests would read it.
    ...['--temp-directory', measured],
    ...['src/**/*.ts', 'kernels/**/*.ts'].flatMap((pattern) => ['--include', pattern]),
    ...TYPES_ONLY.flatMap((file) => ['--exclude', file]),
    '--exclude-after-remap',
    ...['--reporter', 'text', '--reporter', 'text-summary'],
    ...['--check-coverage', '--lines', String(LEAST_LINES)],
    process.execPath,
    ...process.execArgv,
    join(root, 'test', 'run.ts'),
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
rmSync(measured, { recursive: true });
process.exitCode = status ?? 1;

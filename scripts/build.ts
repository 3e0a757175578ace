/**
 * Builds the package into dist/: one ES module per entry, what entries share in chunks, source maps,
 * and type declarations. Inside the repository nothing needs this: everything runs from the sources.
 *
 *     npm run build
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Entries by the name of their module in dist/. */
const ENTRIES = {
  index: 'src/index.ts',
  node: 'src/node.ts',
  nn: 'src/api/nn.ts',
  train: 'src/api/train.ts',
  metrics: 'src/api/metrics.ts',
  kernels: 'src/api/kernels.ts',
  cli: 'src/cli.ts',
} as const;

/** Entries share chunks, so that a GpuError or Tensor of one is that of another. */
const OPTIONS = {
  absWorkingDir: root,
  entryPoints: ENTRIES,
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  // Neither `node:` modules nor dependencies are bundled: node.js alone has the former.
  platform: 'neutral',
  packages: 'external',
  target: 'es2022',
  sourcemap: true,
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
} satisfies BuildOptions;

/** Type declarations under dist/types, which tsc writes with the sources' endings in their imports. */
function buildTypes(): void {
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], {
    cwd: root,
    stdio: 'inherit',
  });
  const folder = join(root, 'dist', 'types');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8');
    writeFileSync(
      path,
      text.replace(/((?:from |import\()['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g, '$1.js'),
    );
  }
}

/** Puts the demo page's model into the package, where `npx sonolift enhance` looks for it. */
function copyModel(): void {
  const model = join(root, 'web', 'public', 'models', 'G_H.safetensors');
  if (!existsSync(model)) {
    console.warn(
      `WARNING: ${model} is missing: this build has no bundled model (npm run demo:model)`,
    );
    return;
  }
  const target = join(root, 'dist', 'models');
  mkdirSync(target, { recursive: true });
  copyFileSync(model, join(target, 'G_H.safetensors'));
  console.log('dist/models/G_H.safetensors');
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
await build(OPTIONS);
buildTypes();
copyModel();
for (const name of Object.keys(ENTRIES)) console.log(`dist/${name}.js`);

/**
 * Builds the package into dist/: every module that the entries reach as one file with its declarations and
 * source map. Bundlers leave out whole modules that a page does not use; a bundle of ours would hide them.
 * Inside the repository nothing needs this: everything runs from the sources.
 *
 *     npm run build
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
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
import { compactWgsl } from './compact-wgsl.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

function compile(): void {
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], {
    cwd: root,
    stdio: 'inherit',
  });
  chmodSync(join(dist, 'src', 'cli.js'), 0o755);
}

/** In declarations tsc leaves the sources' endings. */
function renameImports(): number {
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  for (const name of names) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(dist, name);
    const text = readFileSync(path, 'utf8');
    writeFileSync(
      path,
      text.replace(/((?:from |import\()['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g, '$1.js'),
    );
  }
  return names.filter((name) => name.endsWith('.js')).length;
}

/** Kernels as pages fetch them. */
function compactKernels(): void {
  const folder = join(dist, 'kernels');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue;
    const path = join(folder, name);
    writeFileSync(path, compactWgsl(readFileSync(path, 'utf8')));
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
  const target = join(dist, 'models');
  mkdirSync(target, { recursive: true });
  copyFileSync(model, join(target, 'G_H.safetensors'));
  console.log('dist/models/G_H.safetensors');
}

rmSync(dist, { recursive: true, force: true });
compile();
compactKernels();
console.log(`dist: ${renameImports()} modules`);
copyModel();

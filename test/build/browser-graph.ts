/** What a bundler makes of the public API for a page. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Metafile, type Plugin, transform } from 'esbuild';
import { compactWgsl } from '../../scripts/compact-wgsl.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Kernels as the package has them. */
const compactKernels: Plugin = {
  name: 'compact-kernels',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]kernels[\\/].*\.ts$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'ts' });
      return { contents: compactWgsl(code), loader: 'js' };
    });
  },
};

/** Some of the files that a bundler wrote. */
export interface Chunks {
  /** Sum of the files, each gzipped. */
  readonly gzipBytes: number;
  /** Bytes that each source file has in them. */
  readonly sources: ReadonlyMap<string, number>;
}

export interface BrowserGraph {
  readonly metafile: Metafile;
  /** What a page fetches before its script runs: the entry and what it imports. */
  readonly start: Chunks;
  /** What it fetches when an `import()` is reached. */
  readonly later: Chunks;
}

/**
 * Bundles a script of the repository for browsers, minified.
 * @param contents its text; `./src/…` is the sources' place
 * @throws Error where a module does not exist in browsers (`node:…`, a binary)
 */
export async function bundleForBrowser(contents: string): Promise<BrowserGraph> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: ROOT, loader: 'ts', sourcefile: 'page.ts' },
    absWorkingDir: ROOT,
    bundle: true,
    plugins: [compactKernels],
    splitting: true,
    outdir: 'bundle',
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  const { outputs } = metafile;
  const sizes = new Map(
    outputFiles.map(({ path, contents: code }) => [
      path.slice(ROOT.length),
      gzipSync(code, { level: 9 }).length,
    ]),
  );
  const atStart = new Set<string>();
  const visit = (name: string): void => {
    if (atStart.has(name)) return;
    atStart.add(name);
    for (const { path, kind } of outputs[name].imports) {
      if (kind === 'import-statement') visit(path);
    }
  };
  for (const [name, { entryPoint }] of Object.entries(outputs)) {
    if (entryPoint === 'page.ts') visit(name);
  }
  const chunks = (names: readonly string[]): Chunks => ({
    gzipBytes: names.reduce((sum, name) => sum + (sizes.get(name) ?? Number.NaN), 0),
    sources: new Map(
      names.flatMap((name) =>
        Object.entries(outputs[name].inputs).map(
          ([path, { bytesInOutput }]) => [path, bytesInOutput] as const,
        ),
      ),
    ),
  });
  const names = Object.keys(outputs);
  return {
    metafile,
    start: chunks(names.filter((name) => atStart.has(name))),
    later: chunks(names.filter((name) => !atStart.has(name))),
  };
}

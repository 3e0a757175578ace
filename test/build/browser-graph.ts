/** What a bundler makes of the public API for a page. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface BrowserGraph {
  readonly metafile: Metafile;
  readonly code: string;
  readonly gzipBytes: number;
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
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  const code = outputFiles[0].text;
  return { metafile, code, gzipBytes: gzipSync(code, { level: 9 }).length };
}

/** Bytes that each source file has in the bundle, largest first. */
export function shares({ metafile }: BrowserGraph): [string, number][] {
  return Object.values(metafile.outputs)
    .flatMap(({ inputs }) =>
      Object.entries(inputs).map(([path, { bytesInOutput }]): [string, number] => [
        path,
        bytesInOutput,
      ]),
    )
    .sort(([, a], [, b]) => b - a);
}

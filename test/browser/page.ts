import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface ServedPage {
  /** On localhost, since WebGPU exists in secure contexts only. */
  readonly url: string;
  close(): void;
}

/** Bundles a script of this folder for browsers and serves an empty page that runs it. */
export async function serveBundle(
  script: string,
  files?: ReadonlyMap<string, Uint8Array>,
): Promise<ServedPage> {
  return servePage(new Map([['/script.js', await bundleScript(script)]]), files);
}

/** A script of this folder, bundled for browsers. */
export async function bundleScript(script: string): Promise<Uint8Array> {
  // A `node:` import in what should be browser-safe fails the build.
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  return bundle.outputFiles[0].contents;
}

/**
 * Serves an empty page that runs a script.
 * @param scripts by path: `/script.js` and what it imports
 * @param files further content by path, for example `/model.safetensors`
 * @param page what it is besides: another document, and who hears of what it posts
 */
export async function servePage(
  scripts: ReadonlyMap<string, Uint8Array>,
  files: ReadonlyMap<string, Uint8Array> = new Map(),
  page: { readonly html?: string; readonly onPost?: (text: string) => void } = {},
): Promise<ServedPage> {
  const html =
    page.html ??
    '<!doctype html><title>test page</title><script type="module" src="/script.js"></script>';
  const server = createServer(async (request, response) => {
    const { url = '' } = request;
    if (request.method === 'POST') page.onPost?.(await bodyOf(request));
    const script = scripts.get(url);
    const [type, body] = script
      ? ['text/javascript', script]
      : files.has(url)
        ? ['application/octet-stream', files.get(url)]
        : ['text/html; charset=utf-8', html];
    response.writeHead(200, { 'content-type': type });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://localhost:${port}/`, close: () => server.close() };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

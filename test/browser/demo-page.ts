/** The demo page as it is built and published, in real Chromium. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { build } from 'vite';
import { openChromium } from './chromium.ts';

const CONFIGURATION = fileURLToPath(new URL('../../web/vite.config.ts', import.meta.url));
const MODEL = '/models/G_H.safetensors';

/** Milliseconds to wait for anything; CPU drivers compile slowly, and other work may share the machine. */
export const LIMIT = Number(process.env.SONOLIFT_TEST_PATIENCE ?? 300) * 1000;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

export interface Demo {
  readonly url: string;
  readonly browser: Browser;
  /** Address and status of everything that was asked for since the server began. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/**
 * Builds the page, serves it from a folder of its own, and opens a browser.
 * @param model what it finds as its bundled model; undefined for a page built without one
 * @param configuration of Vite, of another page than the demo
 */
export async function openDemo(
  model: Uint8Array | undefined,
  options: Parameters<typeof openChromium>[0] = {},
  configuration = CONFIGURATION,
): Promise<Demo> {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-demo-'));
  await build({
    configFile: configuration,
    logLevel: 'warn',
    build: { outDir: folder, emptyOutDir: true },
  });
  const requests: string[] = [];
  const server = createServer(({ url = '/' }, response) => {
    const path = new URL(url, 'http://localhost').pathname;
    const content = path === MODEL ? model : fileIn(folder, path);
    requests.push(`${path} ${content ? 200 : 404}`);
    const type = TYPES[path === '/' ? '.html' : extname(path)] ?? 'application/octet-stream';
    response.writeHead(content ? 200 : 404, { 'content-type': type });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const browser = await openChromium(options);
  return {
    url: `http://localhost:${port}/`,
    browser,
    requests,
    async close() {
      await browser.close();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function fileIn(folder: string, path: string): Uint8Array | undefined {
  const file = normalize(join(folder, path === '/' ? 'index.html' : path));
  if (!file.startsWith(folder + sep)) return undefined;
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

export interface DemoOptions {
  readonly tab?: 'enhance' | 'train' | 'kernels';
  readonly dark?: boolean;
  readonly width?: number;
  /** Complaints of the browser that belong to what is tested. */
  readonly expected?: RegExp;
}

/** Opens the page in a tab of its own, runs `body`, and fails if the browser complained of anything. */
export async function withDemo(
  demo: Demo,
  options: DemoOptions,
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await demo.browser.newContext({
    colorScheme: options.dark ? 'dark' : 'light',
    viewport: { width: options.width ?? 1180, height: 900 },
    acceptDownloads: true,
    // Without one Chromium takes the machine's, which need not be a language tag ("en-US@posix").
    locale: 'en-US',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (line) => {
    // Reading a canvas back is what the tests do, not the page.
    const isOwn = line.text().includes('willReadFrequently');
    if (['error', 'warning'].includes(line.type()) && !isOwn) complaints.push(line.text());
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    const isOwn = origin === new URL(demo.url).origin || ['blob:', 'data:'].includes(protocol);
    if (!isOwn) complaints.push(`request to ${request.url()}`);
  });
  try {
    await page.goto(`${demo.url}#${options.tab ?? 'enhance'}`);
    try {
      await body(page);
    } catch (error) {
      // What the browser said before is often the reason.
      if (complaints.length) console.error(`the browser said:\n${complaints.join('\n')}`);
      throw error;
    }
    const unexpected = complaints.filter((line) => !options.expected?.test(line));
    assert.equal(unexpected, []);
  } finally {
    await context.close();
  }
}

/** Waits until an element's text matches; shows the text it has instead. */
export async function waitForText(page: Page, id: string, pattern: RegExp): Promise<string> {
  const place = page.locator(`#${id}`);
  const end = Date.now() + LIMIT;
  for (;;) {
    const text = (await place.textContent()) ?? '';
    if (pattern.test(text)) return text;
    if (Date.now() > end) {
      const errors = await page.locator('.error').allTextContents();
      throw new Error(`#${id}: expected ${pattern}, found "${text}"; errors: ${errors.join(' ')}`);
    }
    await page.waitForTimeout(100);
  }
}

/**
 * Hides the page for what it takes for five minutes.
 * @returns what it says when it is seen again
 */
export function hideForMinutes(page: Page, id: string, pattern: RegExp): Promise<string> {
  return page
    .evaluate(`{
      let state = 'hidden';
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange'));
      const { now } = Date;
      Date.now = () => now.call(Date) + 5 * 60_000;
      setTimeout(() => {
        state = 'visible';
        document.dispatchEvent(new Event('visibilitychange'));
        Date.now = now;
      }, 1500);
    }`)
    .then(() => waitForText(page, id, pattern));
}

/** The grey levels of a canvas. */
export function canvasPixels(page: Page, id: string): Promise<number[]> {
  return page.evaluate((name) => {
    const canvas = document.getElementById(name);
    if (!(canvas instanceof HTMLCanvasElement)) throw new Error(`no canvas ${name}`);
    const context = canvas.getContext('2d');
    const data = context?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    return Array.from(data).filter((_, i) => i % 4 === 0);
  }, id);
}

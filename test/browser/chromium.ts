import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright } from 'playwright-core';

/** What makes Chromium offer WebGPU on a machine without GPU and display. */
const WEBGPU_FLAGS = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--ignore-gpu-blocklist',
];

/**
 * Opens the headless Chromium of @sparticuz/chromium, or the one that SONOLIFT_CHROMIUM names.
 * @param webgpu false for a browser as it is where the graphics card is blocked
 * @param flags further flags of Chromium's
 * @throws Error with the loader's complaint where it cannot run
 */
export async function openChromium({
  webgpu = true,
  flags = [],
}: {
  readonly webgpu?: boolean;
  readonly flags?: readonly string[];
} = {}): Promise<Browser> {
  const executablePath = process.env.SONOLIFT_CHROMIUM ?? (await chromium.executablePath());
  const args = ['--no-sandbox', ...(webgpu ? WEBGPU_FLAGS : []), ...flags];
  return playwright.launch({ executablePath, args, headless: true });
}

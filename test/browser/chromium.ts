import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright } from 'playwright-core';

/** What makes Chromium offer WebGPU on a machine without GPU and display. */
const FLAGS = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--ignore-gpu-blocklist',
  '--no-sandbox',
];

/**
 * Opens the headless Chromium of @sparticuz/chromium, or the one that SONOLIFT_CHROMIUM names.
 * @throws Error with the loader's complaint where it cannot run
 */
export async function openChromium(): Promise<Browser> {
  const executablePath = process.env.SONOLIFT_CHROMIUM ?? (await chromium.executablePath());
  return playwright.launch({ executablePath, args: FLAGS, headless: true });
}

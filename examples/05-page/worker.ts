/** Enhances what the page sends, and opens the device anew after it was lost. */
import { type Generator, type GrayImage, grayFrom, loadGenerator, openGpu } from 'sonolift';

export type Answer =
  | { readonly input: GrayImage; readonly enhanced: GrayImage; readonly adapter: string }
  | { readonly error: string };

const bytes = fetch('/models/G_H.safetensors').then((response) => response.arrayBuffer());
let model: Promise<Generator> | undefined;

async function open(): Promise<Generator> {
  const gpu = await openGpu();
  gpu.onLost(() => {
    gpu.close();
    model = undefined;
  });
  return loadGenerator(gpu, await bytes);
}

async function answer(picture: ImageBitmap): Promise<Answer> {
  try {
    model ??= open();
    const generator = await model;
    const input = grayFrom(picture);
    const enhanced = await generator.enhance(input, { tile: 512 });
    return { input, enhanced, adapter: generator.gpu.description };
  } catch (error) {
    model = undefined;
    // Where WebGPU is missing, the message says what a visitor can do.
    return { error: String(error) };
  }
}

globalThis.addEventListener('message', async ({ data }: MessageEvent<ImageBitmap>) => {
  globalThis.postMessage(await answer(data));
});

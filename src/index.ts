/** Sonolift's browser-safe public API. Rooms for experts: `sonolift/nn`, `/train`, `/metrics`, `/kernels`. */

export { decodeImage } from './data/decode-image.ts';
export { encodePng, type GrayImage, MAX_IMAGE_PIXELS } from './data/image.ts';
export { readImageHeader } from './data/image-header.ts';
export {
  Generator,
  type GeneratorSource,
  type LoadOptions,
  loadGenerator,
} from './embed/generator.ts';
export { grayFrom, type ImageInput, imageDataFrom, type Samples } from './embed/image-input.ts';
export { scoreImages } from './embed/score-images.ts';
export * from './errors.ts';
export type { DeviceLoss, Gpu, GpuOptions } from './gpu/gpu.ts';
export { describeAdapter, openAdapter, useDevice } from './gpu/open-gpu.ts';
export type { MemoryReport } from './gpu/pool.ts';
export type { Storage } from './gpu/storage.ts';
export type { TuningStore } from './gpu/tuning/records.ts';
export type { TuneChoice } from './gpu/tuning/tune-mode.ts';
export { type OpenGpuOptions, openGpu } from './gpu/web-gpu.ts';
export type { Architecture } from './run/checkpoint-state.ts';
export type { EnhanceOptions } from './run/enhance-image.ts';

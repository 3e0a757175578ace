/** Sonolift's browser-safe public API. */
export * from './errors.ts';
export { describeAdapter, type Gpu, type GpuOptions, openGpu } from './gpu/gpu.ts';

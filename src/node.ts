/** Node entry: everything of the browser-safe API, opening devices through Dawn; image files. */
import type { Gpu, GpuOptions } from './gpu/gpu.ts';
import { dawnVersion, openNodeAdapter } from './gpu/node-adapter.ts';
import { openAdapter } from './gpu/open-gpu.ts';
import { restWhile } from './gpu/rest.node.ts';
import { diskTuningStore } from './gpu/tuning/disk-store.node.ts';
import { type OpenGpuOptions, openGpu as openWebGpu } from './gpu/web-gpu.ts';

export { readImageAsync as readImage, writePng } from './data/image.node.ts';
export * from './index.ts';

export interface NodeGpuOptions extends GpuOptions {
  /** `auto`, `system`, `swiftshader`, or part of an adapter's name. */
  readonly device?: string;
  readonly log?: (line: string) => void;
}

/**
 * Opens the best device of this machine: a GPU or system driver, else the bundled SwiftShader.
 * @throws GpuError `no-adapter` saying what to install.
 */
export async function openNodeGpu(options: NodeGpuOptions = {}): Promise<Gpu> {
  const { adapter, instance, description } = await openNodeAdapter({
    device: options.device ?? process.env.SONOLIFT_DEVICE ?? 'auto',
    log: options.log,
  });
  const known = {
    tuningStore: diskTuningStore(),
    runtime: `Dawn ${dawnVersion()}`,
    rest: restWhile,
  };
  return openAdapter(adapter, { ...known, ...options, keepAlive: instance, description });
}

/**
 * What `openGpu` is in a page: takes the given device or adapter, else opens the best of this machine
 * ({@link openNodeGpu}). `powerPreference` says nothing here: a GPU always goes before a CPU driver.
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const { device, adapter, powerPreference: _, ...rest } = options;
  return device || adapter ? openWebGpu({ rest: restWhile, ...options }) : openNodeGpu(rest);
}

/** Node entry: everything of the browser-safe API, plus opening a device through Dawn. */
import { type Gpu, type GpuOptions, openGpu } from './gpu/gpu.ts';
import { openNodeAdapter } from './gpu/node-adapter.ts';

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
  return openGpu(adapter, { ...options, keepAlive: instance, description });
}

import type { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeAdapter } from '../../src/gpu/node-adapter.ts';
import { openAdapter } from '../../src/gpu/open-gpu.ts';
import type { TuneChoice } from '../../src/gpu/tuning/tune-mode.ts';

/** What WebGPU guarantees everywhere (specification, section "Limits"). */
const DEFAULT_LIMITS = {
  maxBufferSize: 256 * 2 ** 20,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
} as const;

/** Opens a device with WebGPU's default limits, however much more the adapter offers. */
export async function openDefaultGpu(options: {
  readonly device?: string | undefined;
  readonly tune?: TuneChoice;
  readonly log?: ((line: string) => void) | undefined;
}): Promise<Gpu> {
  const { adapter, instance, description } = await openNodeAdapter(options);
  const modest = {
    features: adapter.features,
    info: adapter.info,
    limits: { ...DEFAULT_LIMITS },
    requestDevice: (descriptor?: GPUDeviceDescriptor) => adapter.requestDevice(descriptor),
  };
  return openAdapter(modest as unknown as GPUAdapter, {
    keepAlive: [instance, adapter],
    description,
    ...(options.tune && { tune: options.tune }),
  });
}

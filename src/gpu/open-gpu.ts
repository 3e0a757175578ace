import type { AdapterProfile } from '../../kernels/kernel.ts';
import { GpuError } from '../errors.ts';
import { Gpu, type GpuOptions } from './gpu.ts';

const WANTED_FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];

const WANTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/**
 * Opens a device on an adapter, asking for the limits and optional features that kernels can use.
 * @throws GpuError `unsupported` if the adapter gives no device.
 */
export async function openAdapter(adapter: GPUAdapter, options: GpuOptions = {}): Promise<Gpu> {
  const features = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const requiredLimits: Record<string, number> = {};
  for (const limit of WANTED_LIMITS) requiredLimits[limit] = adapter.limits[limit];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits });
  } catch (error) {
    throw new GpuError('unsupported', `the adapter gives no device: ${String(error)}`, {
      cause: error,
    });
  }
  return new Gpu(device, profileAdapter(adapter.info, features), {
    ...options,
    identity: identityOf(adapter.info),
    description: options.description ?? describeAdapter(adapter),
  });
}

/**
 * Works on a device that the caller has and goes on owning: `close` leaves it alone. What the device
 * was not asked for when it was made (features, limits) is not used. An error that nobody captured,
 * of the caller's own commands too, counts as a failure here.
 */
export function useDevice(device: GPUDevice, options: GpuOptions = {}): Gpu {
  // Browsers of 2024 have no adapterInfo on devices yet.
  const { adapterInfo } = device as { readonly adapterInfo?: GPUAdapterInfo };
  const features = WANTED_FEATURES.filter((feature) => device.features.has(feature));
  return new Gpu(device, profileAdapter(adapterInfo, features), {
    ...options,
    ownsDevice: false,
    identity: identityOf(adapterInfo),
    description: options.description ?? describeInfo(adapterInfo),
  });
}

/** One line naming an adapter. */
export function describeAdapter(adapter: GPUAdapter): string {
  return describeInfo(adapter.info);
}

function describeInfo(info: GPUAdapterInfo | undefined): string {
  const parts = [info?.vendor, info?.architecture, info?.device, info?.description];
  return [...new Set(parts.filter((part) => part))].join(' ') || 'unnamed adapter';
}

/** All that an adapter says of itself; the description has the driver's version. */
function identityOf(info: Partial<GPUAdapterInfo> | undefined): string {
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } =
    info ?? {};
  return [vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize].join('; ');
}

function profileAdapter(
  adapterInfo: GPUAdapterInfo | undefined,
  features: readonly GPUFeatureName[],
): AdapterProfile {
  const info = (adapterInfo ?? {}) as Partial<GPUAdapterInfo>;
  const software = /llvmpipe|lavapipe|swiftshader|basic render/i.test(describeInfo(adapterInfo));
  const fixed =
    features.includes('subgroups') && info.subgroupMinSize === info.subgroupMaxSize
      ? (info.subgroupMinSize ?? 0)
      : 0;
  return {
    kind: info.isFallbackAdapter || software ? 'cpu' : 'gpu',
    subgroupSize: fixed,
    f16: features.includes('shader-f16'),
  };
}

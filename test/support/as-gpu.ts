import type { AdapterProfile } from '../../kernels/kernel.ts';
import { Gpu } from '../../src/gpu/gpu.ts';

/** The same device, taken for a GPU of unknown subgroup size. */
export function asGpu(opened: Gpu): Gpu {
  const profile: AdapterProfile = { ...opened.profile, kind: 'gpu', subgroupSize: 0 };
  return new Gpu(opened.device, profile, {
    keepAlive: opened.keepAlive,
    description: `${opened.description} as a GPU`,
  });
}

import { Gpu } from './gpu.ts';

/**
 * A device of the same kind that computes nothing and holds nothing: what a program records on it tells
 * what the program will ask for. It is never submitted, and nothing can be read from it.
 */
export function blankGpu({ device: { features, limits }, profile }: Gpu): Gpu {
  const device = {
    features,
    limits,
    queue: { writeBuffer: () => undefined },
    lost: new Promise(() => undefined),
    addEventListener: () => undefined,
    createBuffer: ({ size }: GPUBufferDescriptor) => ({ size, destroy: () => undefined }),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({}),
    createComputePipelineAsync: async () => ({}),
    destroy: () => undefined,
  };
  // Exactly what recording needs of a device.
  return new Gpu(device as unknown as GPUDevice, profile, {
    isBlank: true,
    memoryBudget: Number.POSITIVE_INFINITY,
    description: 'a blank device',
  });
}

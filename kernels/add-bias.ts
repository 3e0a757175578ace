import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/**
 * y[n,c,p] = x[n,c,p] + bias[c]. Bindings x, bias, y.
 * @param pixels elements behind each channel
 */
export function addBiasKernel(batch: number, channels: number, pixels: number): Kernel {
  const width = pixels % 4 === 0 ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (batch * channels * pixels) / width;
  return {
    key: `add-bias.${batch}x${channels}x${pixels}`,
    bindings: ['read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<${type}>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
${linearMain(count)}
  result[index] = x[index] + bias[(index / ${pixels / width}u) % ${channels}u];
}
`,
  };
}

import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Means of features over labelled regions (superpixels), and the gradient:
 *
 *   y[n,c,s] = mean of x[n,c,p] over the pixels p of region s of image n; 0 if it has none
 *   dx[n,c,p] = dy[n,c,label[n,p]] / size of that region
 *
 * The pixels are sorted by region on the host: `order` [N,P] lists them, `starts` [N,S+1] tells where each region's
 * begin. So an invocation adds up its region in a fixed order, and no two write one value.
 */

export interface RegionMeanSpec {
  readonly batch: number;
  readonly channels: number;
  readonly pixels: number;
  readonly regions: number;
}

function constantsOf({ batch, channels, pixels, regions }: RegionMeanSpec): number[] {
  return [batch * channels, channels, pixels, regions];
}

const SIZES = 'struct Sizes { planes: u32, channels: u32, pixels: u32, regions: u32 }';

/** Bindings x, order, starts, y. */
export function regionMeanForward(spec: RegionMeanSpec): Kernel {
  return {
    key: 'region-mean.forward',
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.channels * spec.regions),
    constants: constantsOf(spec),
    code: () => wgsl`${SIZES}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;

${linearMain('sizes.planes * sizes.regions')}
  let plane = index / sizes.regions;
  let region = index - plane * sizes.regions;
  let image = plane / sizes.channels;
  let at = image * (sizes.regions + 1u) + region;
  let begin = starts[at];
  let end = starts[at + 1u];
  let pixels = plane * sizes.pixels;
  let listed = image * sizes.pixels;
  var sum = 0.0;
  for (var i = begin; i < end; i++) { sum += x[pixels + order[listed + i]]; }
  result[index] = select(sum / f32(end - begin), 0.0, begin == end);
}
`,
  };
}

/** Bindings dy, labels, starts, dx. */
export function regionMeanBackward(spec: RegionMeanSpec): Kernel {
  return {
    key: 'region-mean.backward',
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.channels * spec.pixels),
    constants: constantsOf(spec),
    code: () => wgsl`${SIZES}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;

${linearMain('sizes.planes * sizes.pixels')}
  let plane = index / sizes.pixels;
  let pixel = index - plane * sizes.pixels;
  let image = plane / sizes.channels;
  let region = labels[image * sizes.pixels + pixel];
  let at = image * (sizes.regions + 1u) + region;
  let size = starts[at + 1u] - starts[at];
  result[index] = cotangent[plane * sizes.regions + region] / f32(size);
}
`,
  };
}

import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { EXPONENTIAL, LOGARITHM } from './exponential.ts';
import { type AdapterProfile, type Kernel, spreadWorkgroups } from './kernel.ts';
import { workgroupMaximum, workgroupSum } from './workgroup-sum.ts';

/*
 * InfoNCE over the regions of every image: cross-entropy of each row of a square of similarities with its
 * diagonal as the right answer,
 *
 *   y[n,i] = share·(log Σ_j e^(x[n,i,j]) - x[n,i,i])     over the regions j that image n has
 *   dx[n,i,j] = dy[n,i]·share·(e^(x[n,i,j])/Σ - [i=j])
 *
 * and 0 for a region that it does not have. `starts` [N,S+1] tells which those are, as for region-mean;
 * `share` is 1/(regions of all images), so that the sum of y is the mean. The row's logarithm is kept for the
 * backward pass. One workgroup a row.
 */

const LANES = 64;

const SIZES = `
struct Sizes { images: u32, regions: u32 }
fn exists(image: u32, region: u32) -> bool {
  let at = image * (sizes.regions + 1u) + region;
  return starts[at] < starts[at + 1u];
}`;

const MAIN = (lanes: number): string => `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * groups.x + group.x;
  let regions = sizes.regions;
  if (row >= sizes.images * regions) { return; }
  let image = row / regions;
  let own = row - image * regions;
  let base = row * regions;
  let counts = exists(image, own);`;

/** Bindings x, starts, share, y, logarithms. */
export function infoNceForward(images: number, regions: number, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  const maximum = workgroupMaximum('f32', profile, LANES);
  return {
    key: `info-nce.forward.${sum.tag}`,
    bindings: ['read', 'read', 'read', 'write', 'write', 'read'],
    workgroups: spreadWorkgroups(images * regions),
    constants: [images, regions],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> share: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read_write> logarithms: array<f32>;
@group(0) @binding(5) var<storage, read> sizes: Sizes;
${SIZES}
${EXPONENTIAL}
${LOGARITHM}
${sum.declarations}
${maximum.declarations}

${MAIN(sum.lanes)}
  var most = -3.4028234e38;
  for (var j = lane; j < regions; j += ${sum.lanes}u) {
    if (exists(image, j)) { most = max(most, x[base + j]); }
  }
  let largest = workgroupMaximum(most, lane);
  var part = 0.0;
  for (var j = lane; j < regions; j += ${sum.lanes}u) {
    if (exists(image, j)) { part += exponential(x[base + j] - largest); }
  }
  let total = workgroupSum(part, lane);
  let whole = largest + logarithm(total);
  if (lane == 0u) {
    logarithms[row] = whole;
    result[row] = select(0.0, (whole - x[base + own]) * share[0], counts);
  }
}
`,
  };
}

/** Bindings dy, x, logarithms, starts, share, dx. */
export function infoNceBackward(images: number, regions: number): Kernel {
  return {
    key: 'info-nce.backward',
    bindings: ['read', 'read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(images * regions),
    constants: [images, regions],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> logarithms: array<f32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> share: array<f32>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>;
@group(0) @binding(6) var<storage, read> sizes: Sizes;
${SIZES}
${EXPONENTIAL}

${MAIN(LANES)}
  let dy = cotangent[row] * share[0];
  for (var j = lane; j < regions; j += ${LANES}u) {
    let likelihood = exponential(x[base + j] - logarithms[row]);
    let slope = dy * (likelihood - select(0.0, 1.0, j == own));
    result[base + j] = select(0.0, slope, counts && exists(image, j));
  }
}
`,
  };
}

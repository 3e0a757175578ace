import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import type { ResizeSpec } from './resize-spec.ts';

/*
 * Doubling of planes, as decoders do it between their levels: the usual positions, but known weights.
 *
 *   bilinear   y[2i] = x[i-1]/4 + 3 x[i]/4    y[2i+1] = 3 x[i]/4 + x[i+1]/4    along both axes; neighbours
 *              beyond the border are the pixel itself
 *   nearest    y[2i] = y[2i+1] = x[i]
 *
 * An invocation does the vec4 of x in a row and the four vec4s of y, in two rows, that come from it.
 */

/** Whether it is a doubling of rows of whole vec4s. */
export function isDouble({ mode, height, width, outputHeight, outputWidth }: ResizeSpec): boolean {
  const isTwice = outputHeight === 2 * height && outputWidth === 2 * width;
  return mode !== 'corners' && isTwice && width % 4 === 0;
}

/** Opens `main`: `row` of the plane that begins at row `plane`, and the vec4 `quad` in it. */
const MAIN = `
struct Sizes { count: u32, height: u32, across: u32 }
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.count')}
  let line = index / sizes.across;
  let quad = index - line * sizes.across;
  let plane = line / sizes.height * sizes.height;
  let row = line - plane;`;

function kernelOf(name: string, { mode, planes, height, width }: ResizeSpec, body: string): Kernel {
  const across = width / 4;
  const count = planes * height * across;
  return {
    key: `resize.double.${mode}.${name}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, height, across],
    code: () => wgsl`${body}`,
  };
}

const NEAREST_FORWARD = `${MAIN}
  let x = source[index];
  let pitch = 2u * sizes.across;
  let first = 2u * line * pitch + 2u * quad;
  result[first] = x.xxyy;
  result[first + 1u] = x.zzww;
  result[first + pitch] = x.xxyy;
  result[first + pitch + 1u] = x.zzww;
}
`;

const NEAREST_BACKWARD = `${MAIN}
  let pitch = 2u * sizes.across;
  let first = 2u * line * pitch + 2u * quad;
  let left = source[first] + source[first + pitch];
  let right = source[first + 1u] + source[first + pitch + 1u];
  result[index] = vec4f(left.x + left.y, left.z + left.w, right.x + right.y, right.z + right.w);
}
`;

const BILINEAR_FORWARD = `
/** Eight pixels of a row that is as wide as y. */
struct Wide { left: vec4f, right: vec4f }

fn widen(first: u32, quad: u32) -> Wide {
  let x = source[first + quad];
  let before = select(x.x, source[first + max(quad, 1u) - 1u].w, quad > 0u);
  let after = select(x.w, source[first + quad + 1u].x, quad + 1u < sizes.across);
  let even = mix(vec4f(before, x.xyz), x, 0.75);
  let odd = mix(x, vec4f(x.yzw, after), 0.25);
  return Wide(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
${MAIN}
  let above = widen((plane + max(row, 1u) - 1u) * sizes.across, quad);
  let here = widen(line * sizes.across, quad);
  let below = widen((plane + min(row + 1u, sizes.height - 1u)) * sizes.across, quad);
  // Above the first row is that row itself, as max and min of its number say.
  let pitch = 2u * sizes.across;
  let first = 2u * line * pitch + 2u * quad;
  result[first] = mix(above.left, here.left, 0.75);
  result[first + 1u] = mix(above.right, here.right, 0.75);
  result[first + pitch] = mix(here.left, below.left, 0.25);
  result[first + pitch + 1u] = mix(here.right, below.right, 0.25);
}
`;

const BILINEAR_BACKWARD = `${MAIN}
  let pitch = 2u * sizes.across;
  let start = 2u * plane;
  let last = 2u * sizes.height - 1u;
  let rows = vec4u(max(2u * row, 1u) - 1u, 2u * row, 2u * row + 1u, min(2u * row + 2u, last));
  // The outermost rows and columns have what would come from beyond them.
  let columns = vec4u(
    max(2u * quad, 1u) - 1u, 2u * quad, 2u * quad + 1u, min(2u * quad + 2u, pitch - 1u));
  var before = 0.0;
  var left = vec4f(0.0);
  var right = vec4f(0.0);
  var after = 0.0;
  for (var k = 0u; k < 4u; k++) {
    let first = (start + rows[k]) * pitch;
    let weight = select(0.25, 0.75, k == 1u || k == 2u);
    let nearLeft = source[first + columns.y];
    let nearRight = source[first + columns.z];
    before += weight * select(nearLeft.x, source[first + columns.x].w, quad > 0u);
    left += weight * nearLeft;
    right += weight * nearRight;
    after += weight * select(nearRight.w, source[first + columns.w].x, quad + 1u < sizes.across);
  }
  let outer = vec4f(before, left.y, left.w, right.y) + vec4f(left.z, right.x, right.z, after);
  let inner = vec4f(left.xz, right.xz) + vec4f(left.yw, right.yw);
  result[index] = 0.25 * outer + 0.75 * inner;
}
`;

/** Bindings x, y. */
export function doubleForward(spec: ResizeSpec): Kernel {
  return kernelOf('forward', spec, spec.mode === 'nearest' ? NEAREST_FORWARD : BILINEAR_FORWARD);
}

/** Bindings dy, dx. */
export function doubleBackward(spec: ResizeSpec): Kernel {
  return kernelOf('backward', spec, spec.mode === 'nearest' ? NEAREST_BACKWARD : BILINEAR_BACKWARD);
}

import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel, Plan } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import type { ConvGeometry } from './geometry.ts';

/*
 * Adjoint of extending images by reflection: every pixel of the margin adds to the pixel that it was
 * copied from.
 *
 *   image[p,y,x] = Σ { padded[p,v,u] : (v,u) shows (y,x) }     padded: [P, H+2m, W+2m], m < H, W
 *
 * One invocation makes one row: it knows the rows of `padded` that show it (itself and up to two
 * mirror images), and need not divide for every pixel.
 */

interface FoldReflectionSpec {
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly padding: number;
  /** Whether to add to what the image holds. */
  readonly accumulate: boolean;
}

/** Bindings: padded, image [P,H,W], sizes. */
function foldReflection({
  planes,
  height,
  width,
  padding,
  accumulate,
}: FoldReflectionSpec): Kernel {
  const rows = planes * height;
  return {
    key: 'fold',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(rows),
    constants: [rows, height, width, padding, accumulate ? 1 : 0],
    code: () => wgsl`
struct Sizes { rows: u32, height: u32, width: u32, padding: u32, accumulate: u32 }
@group(0) @binding(0) var<storage, read> padded: array<f32>;
@group(0) @binding(1) var<storage, read_write> image: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

// Adds the row of 'padded' that starts at 'start' to the row of the image that starts at 'to'.
fn add_row(start: u32, to: u32, isFirst: bool) {
  let p = sizes.padding;
  let width = sizes.width;
  for (var x = 0u; x < width; x++) {
    var sum = padded[start + p + x];
    if (x >= 1u && x <= p) { sum += padded[start + p - x]; }
    let back = width - 1u - x;
    if (back >= 1u && back <= p) { sum += padded[start + p + width - 1u + back]; }
    if (!isFirst) { sum += image[to + x]; }
    image[to + x] = sum;
  }
}

${linearMain('sizes.rows')}
  let p = sizes.padding;
  let y = index % sizes.height;
  let back = sizes.height - 1u - y;
  let pitch = sizes.width + 2u * p;
  let plane = (index / sizes.height) * (sizes.height + 2u * p) * pitch;
  let to = index * sizes.width;
  add_row(plane + (y + p) * pitch, to, sizes.accumulate == 0u);
  if (y >= 1u && y <= p) { add_row(plane + (p - y) * pitch, to, false); }
  if (back >= 1u && back <= p) { add_row(plane + (p + sizes.height - 1u + back) * pitch, to, false); }
}
`,
  };
}

/**
 * A plan that writes the gradient of the whole padded image to output 0, followed by the fold that
 * makes of it the image's own.
 * @param accumulate whether to add to what the image holds
 */
export function foldedPlan(
  plan: Plan,
  { batch, inChannels, height, width, padding }: ConvGeometry,
  accumulate: boolean,
): Plan {
  const planes = batch * inChannels;
  const length = planes * (height + 2 * padding) * (width + 2 * padding);
  const padded = { temporary: plan.temporaries.length };
  const steps: Plan['steps'][number][] = plan.steps.map((step) => ({
    ...step,
    operands: step.operands.map((operand) => ('output' in operand ? padded : operand)),
  }));
  steps.push({
    kernel: foldReflection({ planes, height, width, padding, accumulate }),
    operands: [padded, { output: 0 }],
  });
  return { temporaries: [...plan.temporaries, length], steps };
}

import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Activation, activationGradient, activationKey, NONE } from '../activation.ts';
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
 * mirror images), and need not divide for every pixel. If the image is y = f(z), the gradient of z is
 * made on the way: image·f'(z), told from y.
 */

const FOLD = 'fold';

interface FoldReflectionSpec {
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly padding: number;
  /** Whether to add to what the image holds. */
  readonly accumulate: boolean;
  /** f; default none. */
  readonly activation: Activation;
}

/** Bindings: padded, y (only with an activation), image [P,H,W], sizes. */
function foldReflection({
  planes,
  height,
  width,
  padding,
  accumulate,
  activation,
}: FoldReflectionSpec): Kernel {
  const rows = planes * height;
  const gated = activation.kind !== 'none';
  return {
    key: gated ? `${FOLD}.${activationKey(activation)}` : FOLD,
    bindings: gated ? ['read', 'read', 'write', 'read'] : ['read', 'write', 'read'],
    workgroups: linearWorkgroups(rows),
    constants: [rows, height, width, padding, accumulate ? 1 : 0],
    code: () => wgsl`
struct Sizes { rows: u32, height: u32, width: u32, padding: u32, accumulate: u32 }
@group(0) @binding(0) var<storage, read> padded: array<f32>;
#if ${gated}
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> image: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
#else
@group(0) @binding(1) var<storage, read_write> image: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
#endif

// What the row of 'padded' that starts at 'start' adds to pixel x.
fn folded(start: u32, x: u32) -> f32 {
  let p = sizes.padding;
  var sum = padded[start + p + x];
  if (x >= 1u && x <= p) { sum += padded[start + p - x]; }
  let back = sizes.width - 1u - x;
  if (back >= 1u && back <= p) { sum += padded[start + p + sizes.width - 1u + back]; }
  return sum;
}

${linearMain('sizes.rows')}
  let p = sizes.padding;
  let y = index % sizes.height;
  let back = sizes.height - 1u - y;
  let pitch = sizes.width + 2u * p;
  let plane = (index / sizes.height) * (sizes.height + 2u * p) * pitch;
  let to = index * sizes.width;
  let above = y >= 1u && y <= p;
  let below = back >= 1u && back <= p;
  for (var x = 0u; x < sizes.width; x++) {
    var sum = folded(plane + (y + p) * pitch, x);
    if (sizes.accumulate == 1u) { sum += image[to + x]; }
    if (above) { sum += folded(plane + (p - y) * pitch, x); }
    if (below) { sum += folded(plane + (p + sizes.height - 1u + back) * pitch, x); }
#if ${gated}
    let dy = vec4f(sum);
    let value = vec4f(output[to + x]);
    sum = ${activationGradient(activation, 'dy', 'value')}.x;
#endif
    image[to + x] = sum;
  }
}
`,
  };
}

/** Whether a plan does so in its last step. */
export function endsInFold({ steps }: Plan): boolean {
  return steps.at(-1)?.kernel.key === FOLD;
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
    kernel: foldReflection({ planes, height, width, padding, accumulate, activation: NONE }),
    operands: [padded, { output: 0 }],
  });
  return { ...plan, temporaries: [...plan.temporaries, length], steps };
}

/**
 * A folded plan of inputs dy, w, whose output is then the gradient of z: the image is y = f(z), input 2.
 * @throws RangeError if the plan does not end in a fold
 */
export function gatedPlan(
  plan: Plan,
  { batch, inChannels, height, width, padding }: ConvGeometry,
  activation: Activation,
): Plan {
  const last = plan.steps.at(-1);
  if (!last || !endsInFold(plan)) throw new RangeError('only a folded plan can be gated');
  const [padded, image] = last.operands;
  const planes = batch * inChannels;
  const kernel = foldReflection({ planes, height, width, padding, accumulate: false, activation });
  const step = { kernel, operands: [padded, { input: 2 }, image] };
  return { ...plan, steps: [...plan.steps.slice(0, -1), step] };
}

import { type Activation, activationGradient, activationKey } from '../activation.ts';
import type { AdapterProfile, Plan } from '../kernel.ts';
import type { Correlation, CorrelationFold } from './correlation-spec.ts';
import {
  type DataGradientOptions,
  dataGradientCorrelation,
  dataGradientOrder,
} from './data-gradient.ts';
import { directPlan } from './direct.ts';
import { NO_EPILOGUE } from './epilogue.ts';
import { fewCut } from './few-products.ts';
import { endsInFold, gatedPlan } from './fold.ts';
import type { ConvGeometry } from './geometry.ts';

/*
 * Data gradients of convolutions whose images are extended by one reflected pixel, without a padded gradient whose
 * margins would be folded back (`fold.ts`). A margin of one pixel meets one tap only: the pixel before the first is what
 * the first tap of the first output sees, the one behind the last what the last tap of the last output sees, if it
 * reaches that far. Along an axis of W pixels, dy of V:
 *
 *   dx[1]   += w[0]·dy[0]
 *   dx[W-2] += w[K-1]·dy[V-1]        if s divides W + 2 - K
 *
 * So the sums of dx run as with zero padding, and where tap 0 meets column 1, dy's column 0 is added to what it meets
 * there anyway; likewise at the other end. Along y a workgroup that has row 1 (or H - 2) takes a step more, with tap 0 (or K-1) and the
 * first (last) row of dy, in which its other rows see zeros.
 */

const FOLD = '.folded';

/** Whether `foldedTaps` can do a data gradient. */
function allowsFoldedTaps({ padding, stride, kernelHeight, kernelWidth }: ConvGeometry): boolean {
  return padding === 1 && stride <= 2 && Math.min(kernelHeight, kernelWidth) >= 3;
}

export interface FoldedTapsOptions extends Pick<DataGradientOptions, 'slice' | 'accumulate'> {
  /** f, if the gradient of z is wanted, where the image is y = f(z), input 2. */
  readonly gate?: Activation | undefined;
}

/**
 * Inputs: dy, w, and y if there is a gate. Output: dx, overwritten or added to; undefined where it cannot be done so.
 * @param geometry of a convolution with reflection
 */
export function foldedTaps(
  geometry: ConvGeometry,
  profile: AdapterProfile,
  options: FoldedTapsOptions,
): Plan | undefined {
  if (!allowsFoldedTaps(geometry)) return undefined;
  const inner: ConvGeometry = { ...geometry, paddingMode: 'zeros' };
  const spec = dataGradientCorrelation(inner, NO_EPILOGUE, options);
  if (fewCut(spec, profile)) return undefined;
  const plain = foldOf(spec, geometry, profile.subgroupSize || 32);
  const fold = options.gate ? gated(plain, options.gate, spec.outWidth) : plain;
  return directPlan({ ...spec, fold }, dataGradientOrder(inner), profile);
}

function hasFoldedTaps({ steps }: Plan): boolean {
  return steps.at(-1)?.kernel.key.includes(FOLD) ?? false;
}

/** Whether a data gradient's plan can multiply by the slope of an activation on the way out. */
export function isGateable(plan: Plan): boolean {
  return hasFoldedTaps(plan) || endsInFold(plan);
}

/**
 * A gateable plan of inputs dy, w, whose output is then the gradient of z: the image is y = f(z), input 2.
 * @throws RangeError if it is not gateable
 */
export function gatedGradient(
  plan: Plan,
  geometry: ConvGeometry,
  profile: AdapterProfile,
  gate: Activation,
): Plan {
  const taps = hasFoldedTaps(plan) ? foldedTaps(geometry, profile, { gate }) : undefined;
  return taps ?? gatedPlan(plan, geometry, gate);
}

/** With the slope of an activation, told from what it made. */
function gated(fold: CorrelationFold, activation: Activation, outWidth: number): CorrelationFold {
  const aligned = outWidth % 4 === 0;
  const four = [0, 1, 2, 3].map((i) => `gate[start + e + ${i}u]`).join(', ');
  return {
    ...fold,
    key: `${fold.key}.${activationKey(activation)}`,
    storage: `@group(0) @binding(5) var<storage, read> gate: array<${aligned ? 'vec4f' : 'f32'}>;`,
    finish: `let output = ${aligned ? 'gate[(start + e) / 4u]' : `vec4f(${four})`};
      value = ${activationGradient(activation, 'value', 'output')};`,
  };
}

function foldOf({ tapsX }: Correlation, g: ConvGeometry, workgroup: number): CorrelationFold {
  const { stride: s, kernelHeight, kernelWidth } = g;
  // Along y and x: the parity of the pixel at each end, and whether the last one is met at all.
  const first = s - 1;
  const [lastY, lastX] = [kernelHeight, kernelWidth].map((k) => (k - 2 + s) % s);
  const reaches = (extent: number, k: number): boolean => (extent + 2 - k) % s === 0;
  const [hasBottom, hasRight] = [reaches(g.height, kernelHeight), reaches(g.width, kernelWidth)];
  // Where the pixel of dy lies from the one with the output's own number.
  const leftOffset = (s - 2) / s;
  const rightOffset = (4 - kernelWidth + lastX) / s;
  const covers = (y: string, parity: number): string =>
    `(parity == ${parity}u && ((${y}) / ${s}u + sizes.steps - firstRow) % sizes.steps <= moreRows)`;
  const column = (b: number, i: string): string =>
    `select(vec4f(0.0), vec4f(1.0), ${s}u * (4u * quad + vec4u(0u, 1u, 2u, 3u)) + ${b}u == vec4u(${i}))`;
  return {
    key: `${FOLD}${hasBottom ? 'b' : ''}${hasRight ? 'r' : ''}`,
    start: [
      `let firstPlace = index % sizes.laneGroups * ${workgroup}u;`,
      'let firstRow = firstPlace / sizes.quads % sizes.steps;',
      `let moreRows = (firstPlace % sizes.quads + ${workgroup - 1}u) / sizes.quads;`,
      `let hasTop = ${covers('1u', first)};`,
      `let hasBottom = ${hasBottom ? covers('sizes.outHeight - 2u', lastY) : 'false'};`,
      `let foldedY = ${s}u * row + parity;`,
      // Row -1 is outside of the image, and zero.
      'let topRow = select(-1, 0, foldedY == 1u);',
      'let bottomRow = select(-1, sizes.height - 1, foldedY == sizes.outHeight - 2u);',
      'let rowSteps = sizes.taps + u32(hasTop) + u32(hasBottom);',
      `let isLeft = ${column(first, '1u')};`,
      `let isRight = ${column(lastX, 'sizes.outWidth - 2u')};`,
    ],
    steps: 'rowSteps',
    tap: 'select(s, select(0u, sizes.taps - 1u, hasTop && s == sizes.taps), s >= sizes.taps)',
    row: 'select(y0 + i32(t), select(bottomRow, topRow, t > 0u), s >= sizes.taps)',
    added(b, u, vector) {
      const left = b === first && u === tapsX - 1 ? ` + isLeft * ${vector(leftOffset)}` : '';
      const right = hasRight && b === lastX && u === 0 ? ` + isRight * ${vector(rightOffset)}` : '';
      return left + right;
    },
  };
}

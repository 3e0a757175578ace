import type { AdapterProfile, Plan } from '../kernel.ts';
import type { ConvolutionRequest, GradientWays } from './convolution-request.ts';
import { conv2dDataGradient, dataGradientCorrelation } from './data-gradient.ts';
import { NO_EPILOGUE } from './epilogue.ts';
import { conv2dForward, forwardCorrelation } from './forward.ts';
import { foldsMargins } from './geometry.ts';
import { gpuCorrelationChoices, gpuDataGradient, gpuForward } from './gpu/plans.ts';
import type { TileChoice } from './gpu/tile.ts';
import { type RegisterVariant, registerVariants } from './register-variants.ts';

/* What can be chosen for a convolution: every family's named variants in one list. */

function waysOf({ pass, gradients }: ConvolutionRequest): GradientWays {
  if (gradients) return gradients;
  throw new RangeError(`a ${pass} of a convolution was asked for without the ways to make it`);
}

/** A data gradient, its margins folded back if it has any. */
function folded(plan: Plan, request: ConvolutionRequest): Plan {
  const { geometry, accumulate = false } = request;
  if (!foldsMargins(geometry)) return plan;
  return waysOf(request).foldMargins(plan, geometry, accumulate);
}

/** A way to do what is asked for, by a name that the same way has at other sizes too. */
export interface ConvolutionVariant {
  readonly name: string;
  /**
   * Inputs: x, w, bias (only if there is one) of the forward pass; dy, w, bias of the data gradient;
   * x, dy of the weight gradient. Output: what is computed.
   */
  plan(): Plan;
}

/** Cuts of a GPU kernel's sums that are tried besides the usual one, by name. */
const CUTS: readonly (readonly [string, number])[] = [
  ['uncut', 0],
  ['cut/2', 1 / 2],
  ['cut*2', 2],
  ['cut*4', 4],
];

/**
 * All variants that are right for a request on an adapter; first the one that is taken where nothing was
 * measured. Slices of GPUs go to the register tiles: only those read and write them.
 */
export function convolutionVariants(
  request: ConvolutionRequest,
  profile: AdapterProfile,
): readonly ConvolutionVariant[] {
  const registers: ConvolutionVariant[] = registerVariantsOf(request, profile).map((name) => ({
    name,
    plan: () => registerPlan(request, profile, name),
  }));
  const { pass, geometry, gradients } = request;
  const tapChannels = gradients?.tapChannels;
  if (tapChannels?.allows(pass, geometry, profile)) {
    const variant = { name: 'tap-channels', plan: () => tapChannels.plan(request, profile) };
    if (tapChannels.prefers(geometry)) registers.unshift(variant);
    else registers.push(variant);
  }
  if (profile.kind === 'cpu' || request.slice) return registers;
  return [...tileVariants(request), ...registers];
}

function registerVariantsOf(
  { pass, geometry, slice, isFrozen }: ConvolutionRequest,
  profile: AdapterProfile,
): readonly RegisterVariant[] {
  const spec =
    pass === 'data-gradient'
      ? dataGradientCorrelation(geometry, NO_EPILOGUE, { slice })
      : forwardCorrelation(geometry, NO_EPILOGUE, slice);
  return registerVariants(pass, spec, geometry, profile, isFrozen);
}

function registerPlan(
  request: ConvolutionRequest,
  profile: AdapterProfile,
  variant: RegisterVariant,
): Plan {
  const { pass, geometry, epilogue, slice, accumulate = false } = request;
  switch (pass) {
    case 'forward':
      return conv2dForward(geometry, epilogue, profile, slice, variant);
    case 'data-gradient': {
      const options = { slice, accumulate, variant };
      const isFolded = variant === 'direct' && foldsMargins(geometry);
      const whole = isFolded ? waysOf(request).foldedTaps(geometry, profile, options) : undefined;
      return whole ?? folded(conv2dDataGradient(geometry, epilogue, profile, options), request);
    }
    case 'weight-gradient':
      return waysOf(request).weights.registers(geometry, accumulate, profile, variant);
  }
}

function tilePlan(request: ConvolutionRequest, choice: TileChoice): Plan {
  const { pass, geometry, epilogue, accumulate = false } = request;
  switch (pass) {
    case 'forward':
      return gpuForward(geometry, epilogue, choice);
    case 'data-gradient':
      return folded(gpuDataGradient(geometry, epilogue, choice, accumulate), request);
    case 'weight-gradient':
      return waysOf(request).weights.tiles(geometry, accumulate, choice);
  }
}

/** The usual tile and cut, other tiles with their usual cut, and other cuts of the usual tile. */
function tileVariants(request: ConvolutionRequest): ConvolutionVariant[] {
  const { pass, geometry } = request;
  const others =
    pass === 'weight-gradient'
      ? waysOf(request).weights.tileChoices(geometry)
      : gpuCorrelationChoices(pass, geometry);
  const choices: (readonly [string, TileChoice])[] = [
    ['tiles', {}],
    ...others,
    ...CUTS.map(([name, cut]): [string, TileChoice] => [`tiles ${name}`, { cut }]),
  ];
  // Sizes decide whether a choice differs from the usual one: what comes out the same is left out.
  const seen = new Set<string>();
  return choices.flatMap(([name, choice]) => {
    const plan = tilePlan(request, choice);
    const signature = JSON.stringify(
      plan.steps.map(({ kernel: { key, workgroups, constants } }) => [key, workgroups, constants]),
    );
    if (seen.has(signature)) return [];
    seen.add(signature);
    return [{ name, plan: () => plan }];
  });
}

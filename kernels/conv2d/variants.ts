import type { AdapterProfile, Plan } from '../kernel.ts';
import type { ConvolutionRequest, WeightGradientWays } from './convolution-request.ts';
import { conv2dDataGradient, dataGradientCorrelation } from './data-gradient.ts';
import { NO_EPILOGUE } from './epilogue.ts';
import { conv2dForward, forwardCorrelation } from './forward.ts';
import { gpuCorrelationChoices, gpuDataGradient, gpuForward } from './gpu/plans.ts';
import type { TileChoice } from './gpu/tile.ts';
import { type RegisterVariant, registerVariants } from './register-variants.ts';

/* What can be chosen for a convolution: every family's named variants in one list. */

function waysOf({ weightGradients }: ConvolutionRequest): WeightGradientWays {
  if (weightGradients) return weightGradients;
  throw new RangeError('a weight gradient was asked for without the ways to make it');
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
  const { pass, geometry, tapChannels } = request;
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
    case 'data-gradient':
      return conv2dDataGradient(geometry, epilogue, profile, { slice, accumulate, variant });
    case 'weight-gradient':
      return waysOf(request).registers(geometry, accumulate, profile, variant);
  }
}

function tilePlan(request: ConvolutionRequest, choice: TileChoice): Plan {
  const { pass, geometry, epilogue, accumulate = false } = request;
  switch (pass) {
    case 'forward':
      return gpuForward(geometry, epilogue, choice);
    case 'data-gradient':
      return gpuDataGradient(geometry, epilogue, choice, accumulate);
    case 'weight-gradient':
      return waysOf(request).tiles(geometry, accumulate, choice);
  }
}

/** The usual tile and cut, other tiles with their usual cut, and other cuts of the usual tile. */
function tileVariants(request: ConvolutionRequest): ConvolutionVariant[] {
  const { pass, geometry } = request;
  const others =
    pass === 'weight-gradient'
      ? waysOf(request).tileChoices(geometry)
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

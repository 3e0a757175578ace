import type { AdapterProfile } from '../kernel.ts';
import type { Correlation } from './correlation-spec.ts';
import { type ConvGeometry, type ConvolutionPass, foldsMargins } from './geometry.ts';
import { allowsSmallMaps, hasSmallMaps } from './small-maps.ts';
import { allowsTapPlanes, prefersTapPlanes } from './tap-planes.ts';
import { squareKernel } from './winograd/kind.ts';
import {
  allowsWinograd,
  allowsWinogradWeightGradient,
  prefersWinograd,
  prefersWinogradWeightGradient,
} from './winograd/prefers.ts';

/*
 * Ways to do a convolution without workgroup memory: tiles in registers (`correlation.ts`,
 * `weight-gradient.ts`), Winograd's minimal filtering, lanes along the weight matrix, or taps as rows.
 */
export type RegisterVariant = 'direct' | 'winograd' | 'small-maps' | 'tap-planes';

/**
 * The ways that are right for a convolution on an adapter, first the one that is taken where nothing was
 * measured.
 * @param spec the correlation that the pass is; of a weight gradient that of its forward pass
 * @param isFrozen whether the weights never change, so that transforming them costs nothing
 */
export function registerVariants(
  pass: ConvolutionPass,
  spec: Correlation,
  geometry: ConvGeometry,
  profile: AdapterProfile,
  isFrozen = false,
): readonly RegisterVariant[] {
  const variants: RegisterVariant[] = ['direct'];
  const prefer = (variant: RegisterVariant, isPreferred: boolean): void => {
    if (isPreferred) variants.unshift(variant);
    else variants.push(variant);
  };
  const kernel = squareKernel(geometry);
  const isFolded = pass === 'data-gradient' && foldsMargins(geometry);
  if (pass === 'weight-gradient') {
    if (allowsWinogradWeightGradient(spec, profile)) {
      prefer('winograd', prefersWinogradWeightGradient(spec, profile));
    }
  } else if (allowsWinograd(spec, profile, kernel)) {
    // Sum by sum the gradient of a reflected image can do without its margins (`folded-taps.ts`).
    const { height: outHeight, width: outWidth } = geometry;
    const direct = isFolded ? { ...spec, outHeight, outWidth } : spec;
    prefer('winograd', prefersWinograd(spec, profile, kernel, isFrozen, direct));
  }
  const isPart = spec.imageSlice !== undefined || spec.outputSlice !== undefined;
  if (!isPart && !isFolded && allowsSmallMaps(geometry, pass, profile)) {
    prefer('small-maps', hasSmallMaps(geometry, pass, profile));
  }
  const takesPart = pass === 'data-gradient' || !isPart;
  if (pass !== 'weight-gradient' && takesPart && allowsTapPlanes(pass, geometry, profile)) {
    prefer('tap-planes', prefersTapPlanes(spec, geometry));
  }
  return variants;
}

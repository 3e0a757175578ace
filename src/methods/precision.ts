import { ELEMENT_TYPES, type ElementType } from '../../kernels/element-types.ts';
import { GpuError, NumericalError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { LOWEST_SCALE, type ScalerValue } from '../nn/loss-scaler.ts';
import type { Method } from './method.ts';
import type { ConfiguredMethod } from './method-kind.ts';

/** How activations of networks are stored: `--precision`. */
export const PRECISIONS = ELEMENT_TYPES;
export type Precision = ElementType;

/** What a method is configured to; f32 if it has no choice. */
export function precisionOf({ options }: ConfiguredMethod): Precision {
  return PRECISIONS.find((precision) => precision === options.precision) ?? 'f32';
}

/** @throws GpuError `unsupported` if the device cannot store activations in this way */
export function requirePrecision(gpu: Gpu, precision: Precision): void {
  if (precision === 'f32' || gpu.profile.f16) return;
  throw new GpuError(
    'unsupported',
    `precision f16 needs the WebGPU feature shader-f16, which ${gpu.description} does not offer: choose another adapter, or precision f32`,
  );
}

/** What a method's loss scalers say of a step, for a log; nothing under `f32`. */
export function scalerValues({ scalers }: Method): (ScalerValue & { readonly label: string })[] {
  return [...(scalers ?? [])].flatMap(([kind, scaler]) =>
    scaler.values().map((value) => ({ ...value, label: `${value.name}_${kind}` })),
  );
}

/**
 * A scale that has fallen so low did not fall because it was too large: what is divided by it is not finite.
 * @param values by label
 * @throws NumericalError naming the scaler
 */
export function assertScales(values: Readonly<Record<string, number>>, step: number): void {
  for (const [label, value] of Object.entries(values)) {
    if (label.startsWith('scale_') && !(value >= LOWEST_SCALE)) {
      throw new NumericalError(
        `step ${step}: ${label} has fallen to ${value}: gradients are not finite at any loss scale; train with --precision f32, or a lower learning rate`,
      );
    }
  }
}

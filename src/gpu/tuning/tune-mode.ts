import type { AdapterProfile } from '../../../kernels/kernel.ts';

/**
 * Whether kernels are chosen by measurement:
 *
 *  - `off`: every family's default;
 *  - `on`: by what was measured before on this adapter, and what is missing is measured at the start;
 *  - `force`: measured anew.
 */
export type TuneMode = 'off' | 'on' | 'force';

/** `auto`: `on` on GPUs, `off` on CPU drivers, for which the defaults themselves are fitted to measurements. */
export type TuneChoice = TuneMode | 'auto';

export const TUNE_MODES: readonly TuneMode[] = ['off', 'on', 'force'];

export function tuneMode(choice: TuneChoice, { kind }: AdapterProfile): TuneMode {
  if (choice !== 'auto') return choice;
  return kind === 'gpu' ? 'on' : 'off';
}

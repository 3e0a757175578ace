import type { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeGpu } from '../../src/node.ts';
import { asGpu } from './as-gpu.ts';

/**
 * Tells Mesa's software driver to leave out LLVM's optimisations, which halves the time to compile the
 * kernels for GPUs, most of what their tests take. To be called before any device is opened.
 */
export function compileQuickly(): void {
  process.env.GALLIVM_PERF ??= 'nopt';
}

/**
 * Opens the device of this machine, whatever it is, as if it were a GPU of unknown subgroup size: the
 * kernel variants for GPUs are then chosen, which software drivers run correctly, only slowly.
 */
export async function openAsGpu(): Promise<Gpu> {
  compileQuickly();
  return asGpu(await openNodeGpu());
}

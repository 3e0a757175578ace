import type { Peak } from './peak.ts';

/** The least time that work can take on an adapter, and what keeps it from being less. */
export interface Roof {
  readonly milliseconds: number;
  readonly limit: 'arithmetic' | 'memory';
}

/**
 * The roofline: work of `flops` operations on `bytes` takes at least as long as its operations at the
 * adapter's arithmetic peak, and as its bytes at its copy bandwidth.
 *
 *     max(flops / gigaflops, bytes / gigabytes) / 10⁶ ms
 */
export function roofOf(work: { flops?: number; bytes: number }, peak: Omit<Peak, 'moves'>): Roof {
  const arithmetic = (work.flops ?? 0) / peak.gigaflops / 1e6;
  const memory = work.bytes / peak.gigabytes / 1e6;
  return arithmetic > memory
    ? { milliseconds: arithmetic, limit: 'arithmetic' }
    : { milliseconds: memory, limit: 'memory' };
}

import type { Peak } from './peak.ts';

/** Values moved four at a time, as vec4s, and one by one. */
export interface Widths {
  readonly quads: number;
  readonly singles: number;
}

/** Values that work loads and stores, or how many 10⁹ of them an adapter does in a second. */
export interface Accesses {
  readonly loads: Widths;
  readonly stores: Widths;
}

const NO_VALUES: Widths = { quads: 0, singles: 0 };

/** `values` in rows of `row` of them: vec4s must start at multiples of four. */
export function inRows(values: number, row: number): Widths {
  return row % 4 === 0 ? { quads: values, singles: 0 } : { quads: 0, singles: values };
}

/** The sum of several. */
export function together(...parts: readonly Widths[]): Widths {
  return parts.reduce(
    (sum, { quads, singles }) => ({ quads: sum.quads + quads, singles: sum.singles + singles }),
    NO_VALUES,
  );
}

/** What work takes at least. */
export interface Work {
  /** Floating point operations of the direct algorithm, whatever a kernel does; where they may limit. */
  readonly flops?: number;
  /** Bytes that must be read and written, each array once; of a convolution weights included. */
  readonly bytes: number;
  /** Values loaded and stored by lanes, each for itself; where that is known. */
  readonly accesses?: Accesses;
}

/** The least time that work can take on an adapter, and what keeps it from being less. */
export interface Roof {
  readonly milliseconds: number;
  readonly limit: 'arithmetic' | 'access' | 'memory';
}

/**
 * The roofline: work of `flops` operations on `bytes` takes at least as long as its operations at the
 * adapter's arithmetic peak, as its loads and stores one after the other, were all data at hand, and as its bytes at
 * its copy bandwidth.
 *
 *     max(flops / gigaflops, Σ values / access rate, bytes / gigabytes) / 10⁶ ms
 */
export function roofOf(work: Work, peak: Omit<Peak, 'moves'>): Roof {
  const { loads = NO_VALUES, stores = NO_VALUES } = work.accesses ?? {};
  const access =
    loads.quads / peak.accesses.loads.quads +
    loads.singles / peak.accesses.loads.singles +
    stores.quads / peak.accesses.stores.quads +
    stores.singles / peak.accesses.stores.singles;
  const limits: readonly Roof[] = [
    { limit: 'memory', milliseconds: work.bytes / peak.gigabytes / 1e6 },
    { limit: 'access', milliseconds: access / 1e6 },
    { limit: 'arithmetic', milliseconds: (work.flops ?? 0) / peak.gigaflops / 1e6 },
  ];
  return limits.reduce((most, each) => (each.milliseconds > most.milliseconds ? each : most));
}

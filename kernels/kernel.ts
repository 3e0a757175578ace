/**
 * What a kernel file produces: pure data that a device can run, with no device in sight.
 *
 * A kernel function maps a *specification* (shapes, tile, epilogue) to a `Kernel`: one WGSL entry
 * point `main`, its bindings in `@group(0) @binding(i)` order, and the number of workgroups. What
 * decides loops and index arithmetic of hot kernels is baked into the code, other sizes come as
 * `constants`.
 */

/** How a binding is used: `read` is `var<storage, read>`, `write` is `var<storage, read_write>`. */
export type BindingAccess = 'read' | 'write' | 'uniform';

export interface Kernel {
  /** Equal keys mean equal code and equal kinds of bindings; pipelines are cached by it. */
  readonly key: string;
  /** Access of `@binding(0)`, `@binding(1)`, … of group 0. */
  readonly bindings: readonly BindingAccess[];
  readonly workgroups: readonly [number, number, number];
  /**
   * 32-bit words that the last binding (`read`) holds, put there by the device: sizes that differ
   * between uses of one pipeline. Kernels that do without baking them into the code and the key
   * save compilations, which are what a first training step mostly waits for.
   */
  readonly constants?: readonly number[] | undefined;
  /**
   * Arrays in workgroup memory that hold values of one binding, unchanged: they become f16 with it
   * (`element-types.ts`).
   */
  readonly tiles?: Readonly<Record<string, number>>;
  /** Device features without which the code does not compile. */
  readonly requires?: readonly GPUFeatureName[];
  /** Makes the WGSL text; called once per key. */
  code(): string;
}

/** The bits of an f32, for `Kernel.constants`; the shader takes it back with `bitcast<f32>`. */
export function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}

/** Where a step of a plan finds one binding: a caller's tensor, or a temporary of the plan. */
export type Operand =
  | { readonly input: number }
  | { readonly output: number }
  | { readonly temporary: number };

/** A short sequence of kernels that together compute one thing, with scratch space in between. */
export interface Plan {
  /** Length of each temporary in 32-bit elements. */
  readonly temporaries: readonly number[];
  /** Temporaries that are stored as an input is, for the kernels that read both; all others are f32. */
  readonly alike?: readonly { readonly temporary: number; readonly input: number }[];
  readonly steps: readonly {
    readonly kernel: Kernel;
    /** One operand per binding of the kernel. */
    readonly operands: readonly Operand[];
    /**
     * The input on which alone the step's result depends (weights put into another order): where that
     * input is known never to change, the step runs once and its result, a temporary, is kept.
     */
    readonly dependsOnlyOn?: number;
  }[];
}

/** What a kernel family may know of the adapter it generates code for. */
export interface AdapterProfile {
  /** `cpu`: a software driver (lavapipe, SwiftShader, WARP), where barriers are dear. */
  readonly kind: 'cpu' | 'gpu';
  /** Fixed number of lanes in a subgroup, or 0 if unknown, variable, or without subgroup operations. */
  readonly subgroupSize: number;
  /** Whether `shader-f16` is enabled on the device. */
  readonly f16: boolean;
}

/** Workgroups a dimension may have under WebGPU's default limits. */
export const MAX_WORKGROUPS = 65535;

/**
 * Spreads `count` workgroups over x and y within the per-dimension limit. A kernel that may exceed
 * one dimension computes its linear index as `workgroup_id.y * num_workgroups.x + workgroup_id.x`
 * and tests it against its bound.
 */
export function spreadWorkgroups(count: number): [number, number, number] {
  if (count <= MAX_WORKGROUPS) return [Math.max(count, 1), 1, 1];
  const y = Math.ceil(count / MAX_WORKGROUPS);
  return [Math.ceil(count / y), y, 1];
}

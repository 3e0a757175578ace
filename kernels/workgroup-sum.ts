import type { AdapterProfile } from './kernel.ts';

/*
 * The one reduction tree that kernels share: a sum over the invocations of a workgroup, in a fixed
 * order, whose result every invocation gets.
 *
 * CPU adapters run a workgroup of exactly one subgroup and exchange by shuffles (a barrier costs
 * ten times as much there); everything else uses workgroup memory.
 */

export interface WorkgroupSum {
  /** Invocations a workgroup must have. */
  readonly lanes: number;
  /** Part of a kernel's key. */
  readonly tag: string;
  readonly requires?: readonly GPUFeatureName[];
  /** Goes before everything else in the code. */
  readonly enable: string;
  /** Declares `fn workgroupSum(value: T, lane: u32) -> T`; call it in uniform control flow. */
  readonly declarations: string;
}

/**
 * @param type what is summed
 * @param profile the adapter: one with a known subgroup size and no real workgroup memory gets
 *   workgroups of one subgroup
 * @param lanes workgroup size on every other adapter, a power of two
 */
export function workgroupSum(
  type: 'f32' | 'vec4f',
  profile: AdapterProfile,
  lanes: number,
): WorkgroupSum {
  const { kind, subgroupSize } = profile;
  return kind === 'cpu' && subgroupSize > 0
    ? shuffleSum(type, subgroupSize)
    : memorySum(type, lanes);
}

function shuffleSum(type: string, lanes: number): WorkgroupSum {
  let steps = '';
  for (let mask = lanes / 2; mask >= 1; mask /= 2) {
    steps += `\n  sum += subgroupShuffleXor(sum, ${mask}u);`;
  }
  return {
    lanes,
    tag: `s${lanes}`,
    requires: ['subgroups'],
    enable: 'enable subgroups;',
    declarations: `
fn workgroupSum(value: ${type}, lane: u32) -> ${type} {
  var sum = value;${steps}
  return sum;
}`,
  };
}

/** Two levels of about √lanes each: few barriers, which software drivers are slow to compile too. */
function memorySum(type: string, lanes: number): WorkgroupSum {
  const parts = 2 ** Math.floor(Math.log2(lanes) / 2);
  return {
    lanes,
    tag: `m${lanes}`,
    enable: '',
    declarations: `
var<workgroup> scratch: array<${type}, ${lanes}>;
var<workgroup> partSums: array<${type}, ${parts}>;

fn workgroupSum(value: ${type}, lane: u32) -> ${type} {
  scratch[lane] = value;
  workgroupBarrier();
  if (lane < ${parts}u) {
    var part = ${type}();
    for (var i = 0u; i < ${lanes / parts}u; i++) { part += scratch[lane + i * ${parts}u]; }
    partSums[lane] = part;
  }
  workgroupBarrier();
  var sum = ${type}();
  for (var i = 0u; i < ${parts}u; i++) { sum += partSums[i]; }
  return sum;
}`,
  };
}

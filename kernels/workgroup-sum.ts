import type { AdapterProfile } from './kernel.ts';

/*
 * The one reduction tree that kernels share: a sum (or the largest value) over the invocations of a
 * workgroup, in a fixed order, whose result every invocation gets.
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

/** How two partial results become one. */
interface Combination {
  /** The function declared, and a prefix that keeps its workgroup memory apart. */
  readonly name: string;
  readonly combine: (a: string, b: string) => string;
}

const SUM: Combination = { name: 'workgroupSum', combine: (a, b) => `${a} + ${b}` };
const MAXIMUM: Combination = { name: 'workgroupMaximum', combine: (a, b) => `max(${a}, ${b})` };

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
  return treeOf(SUM, type, profile, lanes);
}

/** As `workgroupSum`, but declares `fn workgroupMaximum`; what it gives for NaN is not defined. */
export function workgroupMaximum(
  type: 'f32' | 'vec4f',
  profile: AdapterProfile,
  lanes: number,
): WorkgroupSum {
  return treeOf(MAXIMUM, type, profile, lanes);
}

function treeOf(
  combination: Combination,
  type: string,
  { kind, subgroupSize }: AdapterProfile,
  lanes: number,
): WorkgroupSum {
  return kind === 'cpu' && subgroupSize > 0
    ? shuffleTree(combination, type, subgroupSize)
    : memoryTree(combination, type, lanes);
}

function shuffleTree({ name, combine }: Combination, type: string, lanes: number): WorkgroupSum {
  let steps = '';
  for (let mask = lanes / 2; mask >= 1; mask /= 2) {
    steps += `\n  sum = ${combine('sum', `subgroupShuffleXor(sum, ${mask}u)`)};`;
  }
  return {
    lanes,
    tag: `s${lanes}`,
    requires: ['subgroups'],
    enable: 'enable subgroups;',
    declarations: `
fn ${name}(value: ${type}, lane: u32) -> ${type} {
  var sum = value;${steps}
  return sum;
}`,
  };
}

/** Two levels of about √lanes each: few barriers, which software drivers are slow to compile too. */
function memoryTree({ name, combine }: Combination, type: string, lanes: number): WorkgroupSum {
  const parts = 2 ** Math.floor(Math.log2(lanes) / 2);
  return {
    lanes,
    tag: `m${lanes}`,
    enable: '',
    declarations: `
var<workgroup> ${name}Scratch: array<${type}, ${lanes}>;
var<workgroup> ${name}Parts: array<${type}, ${parts}>;

fn ${name}(value: ${type}, lane: u32) -> ${type} {
  ${name}Scratch[lane] = value;
  workgroupBarrier();
  if (lane < ${parts}u) {
    var part = ${name}Scratch[lane];
    for (var i = 1u; i < ${lanes / parts}u; i++) {
      part = ${combine('part', `${name}Scratch[lane + i * ${parts}u]`)};
    }
    ${name}Parts[lane] = part;
  }
  workgroupBarrier();
  var sum = ${name}Parts[0];
  for (var i = 1u; i < ${parts}u; i++) { sum = ${combine('sum', `${name}Parts[i]`)}; }
  return sum;
}`,
  };
}

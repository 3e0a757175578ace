import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type AdapterProfile,
  type BindingAccess,
  floatBits,
  type Kernel,
  MAX_WORKGROUPS,
  type Operand,
  type Plan,
} from './kernel.ts';
import { vectorMain, vectorWorkgroups } from './linear.ts';
import {
  hasSecondBinding,
  type LossTerm,
  secondOperand,
  termKey,
  termSlope,
  termValue,
} from './loss-terms.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Sums of a term over rows, and their gradient:
 *
 *   a: [rows, length]  b: none, a constant, one element, or [rows, length]  y: [rows]
 *   y[r] = factor·Σ_i term(a[r,i], b[r,i])      da[r,i] = factor·dy[r]·term'(a[r,i], b[r,i])
 *
 * A fixed tree, the same on every run: each row is cut into ranges, one workgroup a range. GPUs add
 * up a range in workgroup memory; CPU adapters, where barriers are dear, write one partial sum an
 * invocation. A second dispatch adds the partial sums of each row. Rows that one workgroup can do need
 * only one dispatch: on CPU adapters that is a subgroup, or for the shortest rows an invocation each.
 * Lengths come as constants, so that a term needs a handful of pipelines for all its uses.
 * An invocation adds blocks of at most 32 vec4s before adding those up, which keeps the rounding
 * error of 2²⁴ elements in the last digits.
 */

export interface ReduceSpec {
  readonly term: LossTerm;
  readonly rows: number;
  readonly length: number;
  readonly factor: number;
}

/** Invocations of a workgroup on CPU adapters: a subgroup or two. */
const CPU_LANES = 8;
const GPU_LANES = 256;
/** vec4s an invocation adds before its sum goes into another. */
const BLOCK = 32;
/** Rows up to this many vec4s are done by one invocation each on CPU adapters. */
const SHORT_ROW = 32;
/** Rounds up to which one subgroup does a row: a second dispatch takes longer than they do. */
const SUBGROUP_ROUNDS = 64;

interface Partition {
  readonly lanes: number;
  /** Workgroups a row. */
  readonly groups: number;
  /** vec4s an invocation adds. */
  readonly rounds: number;
  /** Partial sums a row. */
  readonly partials: number;
  /** Whether a workgroup adds up what its invocations have. */
  readonly shared: boolean;
}

function partition(length: number, profile: AdapterProfile): Partition {
  const vectors = Math.ceil(length / 4);
  const { subgroupSize } = profile;
  if (
    profile.kind === 'cpu' &&
    subgroupSize > 0 &&
    vectors > SHORT_ROW &&
    vectors <= subgroupSize * SUBGROUP_ROUNDS
  ) {
    const rounds = Math.ceil(vectors / subgroupSize);
    return { lanes: subgroupSize, groups: 1, rounds, partials: 1, shared: true };
  }
  const shared = profile.kind === 'gpu';
  let lanes = shared ? GPU_LANES : CPU_LANES;
  if (!shared && vectors <= SHORT_ROW) lanes = 1;
  const most = shared ? 256 : 64;
  const groups = lanes === 1 ? 1 : Math.min(most, Math.ceil(vectors / (lanes * 16)));
  const rounds = Math.ceil(vectors / (lanes * groups));
  return { lanes, groups, rounds, partials: shared ? groups : groups * lanes, shared };
}

/**
 * Plan with inputs a, then b if it is a storage; output y.
 * @throws RangeError beyond 65535 rows
 */
export function reduceRows(spec: ReduceSpec, profile: AdapterProfile): Plan {
  if (spec.rows > MAX_WORKGROUPS) {
    throw new RangeError(`reductions take at most ${MAX_WORKGROUPS} rows, found ${spec.rows}`);
  }
  const parts = partition(spec.length, profile);
  const inputs: Operand[] = hasSecondBinding(spec.term)
    ? [{ input: 0 }, { input: 1 }]
    : [{ input: 0 }];
  if (parts.partials === 1) {
    const kernel = rangeSums(spec, parts, spec.factor, profile);
    return { temporaries: [], steps: [{ kernel, operands: [...inputs, { output: 0 }] }] };
  }
  return {
    temporaries: [spec.rows * parts.partials],
    steps: [
      { kernel: rangeSums(spec, parts, 1, profile), operands: [...inputs, { temporary: 0 }] },
      {
        kernel: finalSums(spec.rows, parts.partials, spec.factor, profile),
        operands: [{ temporary: 0 }, { output: 0 }],
      },
    ],
  };
}

/** vec4 number `vector` of row `row`, from vec4s if rows are aligned, else from scalars. */
function rowAccess(name: string, array: string, aligned: boolean): string {
  const scalars = [0, 1, 2, 3].map((k) => `${array}[first + ${k}u]`).join(', ');
  return `fn ${name}(row: u32, vector: u32) -> vec4f {
  ${
    aligned
      ? `return ${array}[row * sizes.vectors + vector];`
      : `let first = row * sizes.length + vector * 4u; return vec4f(${scalars});`
  }
}`;
}

/** Sums of the ranges of each row. Bindings a, (b,) partial sums. */
function rangeSums(
  spec: ReduceSpec,
  parts: Partition,
  factor: number,
  profile: AdapterProfile,
): Kernel {
  const { term, rows, length } = spec;
  const { lanes, groups, rounds, partials, shared } = parts;
  const vectors = Math.ceil(length / 4);
  const aligned = rows === 1 || length % 4 === 0;
  const tail = length % 4 > 0;
  const type = aligned ? 'vec4f' : 'f32';
  const second = hasSecondBinding(term);
  const array = term.second === 'array';
  const tree = shared ? workgroupSum('f32', profile, lanes) : undefined;
  const alone = lanes === 1;
  return {
    key: `reduce.${termKey(term)}.${lanes}.${aligned}.${tail}.${tree?.tag ?? 'parts'}`,
    bindings: second ? ['read', 'read', 'write', 'read'] : ['read', 'write', 'read'],
    workgroups: alone ? [Math.ceil(rows / CPU_LANES), 1, 1] : [groups, rows, 1],
    constants: [rows, length, vectors, rounds, partials, floatBits(factor)],
    requires: tree?.requires ?? [],
    code: () => wgsl`${tree?.enable ?? ''}
struct Sizes {
  rows: u32, length: u32, vectors: u32, rounds: u32, partials: u32, factor: f32,
}
@group(0) @binding(0) var<storage, read> x: array<${type}>;
#if ${second}
@group(0) @binding(1) var<storage, read> other: array<${array ? type : 'vec4f'}>;
#endif
@group(0) @binding(${second ? 2 : 1}) var<storage, read_write> result: array<f32>;
@group(0) @binding(${second ? 3 : 2}) var<storage, read> sizes: Sizes;
${tree?.declarations ?? ''}
${rowAccess('load', 'x', aligned)}
#if ${array}
${rowAccess('loadOther', 'other', aligned)}
#endif

fn value(row: u32, vector: u32) -> vec4f {
  let a = load(row, vector);
  let b = ${secondOperand(term, 'loadOther(row, vector)')};
  return ${termValue(term)};
}

@compute @workgroup_size(${alone ? CPU_LANES : lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) invocation: u32) {
#if ${alone}
  let lane = 0u;
  let row = group.x * ${CPU_LANES}u + invocation;
  if (row >= sizes.rows) { return; }
#else
  let lane = invocation;
  let row = group.y;
#endif
  let start = group.x * ${alone ? 0 : lanes}u * sizes.rounds + lane;
  let rounds = sizes.rounds;
  let vectors = sizes.vectors;
  let length = sizes.length;
  var sum = vec4f(0.0);
  for (var block = 0u; block < rounds; block += ${BLOCK}u) {
    var part = vec4f(0.0);
    for (var round = block; round < min(block + ${BLOCK}u, rounds); round++) {
      let vector = start + round * ${lanes}u;
      if (vector < vectors) {
#if ${tail}
        let inRow = vec4u(0u, 1u, 2u, 3u) + vector * 4u < vec4u(length);
        part += select(vec4f(0.0), value(row, vector), inRow);
#else
        part += value(row, vector);
#endif
      }
    }
    sum += part;
  }
  let total = dot(sum, vec4f(1.0));
#if ${shared}
  let all = workgroupSum(total, lane);
  if (lane == 0u) { result[row * sizes.partials + group.x] = all * sizes.factor; }
#elif ${alone}
  result[row] = total * sizes.factor;
#else
  result[row * sizes.partials + group.x * ${lanes}u + lane] = total * sizes.factor;
#endif
}
`,
  };
}

/** y[r] = factor·Σ partial[r, ·]. Bindings partial sums, y. */
function finalSums(
  rows: number,
  partials: number,
  factor: number,
  profile: AdapterProfile,
): Kernel {
  const sum = workgroupSum('f32', profile, 64);
  return {
    key: `reduce.final.${sum.tag}`,
    bindings: ['read', 'write', 'read'],
    workgroups: [rows, 1, 1],
    requires: sum.requires,
    constants: [partials, floatBits(factor)],
    code: () => wgsl`${sum.enable}
struct Sizes { partials: u32, factor: f32 }
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${sum.declarations}

@compute @workgroup_size(${sum.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let partials = sizes.partials;
  var sum = 0.0;
  for (var index = lane; index < partials; index += ${sum.lanes}u) {
    sum += partial[row * partials + index];
  }
  let total = workgroupSum(sum, lane);
  if (lane == 0u) { result[row] = total * sizes.factor; }
}
`,
  };
}

/**
 * Gradient of `reduceRows`. Bindings dy, then (except for the term `identity`) a and, if it is a
 * storage, b, then the result.
 * @param side `first`: with respect to a; `second`: with respect to b, for terms of a - b
 * @param accumulate whether the gradient is added to the result
 */
export function reduceRowsGradient(
  spec: ReduceSpec,
  side: 'first' | 'second',
  accumulate = false,
  profile?: AdapterProfile,
): Kernel {
  const { term, rows, length } = spec;
  const count = Math.ceil((rows * length) / 4);
  const reads = term.name !== 'identity';
  const second = hasSecondBinding(term);
  const factor = side === 'first' ? spec.factor : -spec.factor;
  const aligned = length % 4 === 0;
  const row = (k: number): string => {
    if (rows === 1) return '0u';
    // Lanes beyond the last row are padding; reading out of bounds is harmless under WebGPU.
    return aligned ? 'index * 4u / sizes.length' : `(index * 4u + ${k}u) / sizes.length`;
  };
  const cotangent =
    rows === 1 || aligned
      ? `vec4f(cotangent[${row(0)}])`
      : `vec4f(${[0, 1, 2, 3].map((k) => `cotangent[${row(k)}]`).join(', ')})`;
  const bindings: BindingAccess[] = ['read'];
  if (reads) bindings.push('read');
  if (reads && second) bindings.push('read');
  bindings.push('write', 'read');
  return {
    key: `reduce.gradient.${termKey(term)}.${rows === 1 ? 'one' : aligned}${accumulate ? '+' : ''}`,
    bindings,
    workgroups: vectorWorkgroups(count, profile),
    constants: [length, floatBits(factor)],
    code: () => wgsl`
struct Sizes { length: u32, factor: f32 }
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
#if ${reads}
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
#endif
#if ${reads && second}
@group(0) @binding(2) var<storage, read> other: array<vec4f>;
#endif
@group(0) @binding(${bindings.length - 2}) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(${bindings.length - 1}) var<storage, read> sizes: Sizes;
${vectorMain('arrayLength(&result)')}
  let dy = ${cotangent} * sizes.factor;
#if ${reads}
  let a = x[index];
  let b = ${secondOperand(term, 'other[index]')};
  let gradient = dy * ${termSlope(term)};
#else
  let gradient = dy;
#endif
#if ${accumulate}
  result[index] = result[index] + gradient;
#else
  result[index] = gradient;
#endif
  }
}
`,
  };
}

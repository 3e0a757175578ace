import { type AdapterProfile, spreadWorkgroups } from './kernel.ts';

/** Building blocks of kernels that give every invocation one index of a flat range. */

const WORKGROUP = 64;

/** Workgroups that cover `count` invocations. */
export function linearWorkgroups(count: number): [number, number, number] {
  return spreadWorkgroups(Math.ceil(count / WORKGROUP));
}

/**
 * Opens `main`, defines `index`, and returns from invocations beyond `count`: a number, or a u32
 * expression such as `arrayLength(&result)` (storages are bound with the size of their tensor, padded
 * to 16 bytes), which lets one pipeline serve all sizes.
 */
export function linearMain(count: number | string): string {
  return `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (index >= ${typeof count === 'number' ? `${count}u` : count}) { return; }`;
}

/** Rounds of a workgroup of `vectorMain` on CPU drivers, at most. */
const ROUNDS = 8;
/** Workgroups that are left to share among a CPU's cores. */
const SHARED_WORKGROUPS = 32;

/**
 * Workgroups of a kernel opened by `vectorMain`. On GPUs every invocation has one index; on CPU drivers, which
 * take as long to start an invocation as to move two vec4s, up to eight.
 */
export function vectorWorkgroups(
  count: number,
  profile: AdapterProfile | undefined,
): [number, number, number] {
  const groups = Math.ceil(count / WORKGROUP);
  const share = Math.min(ROUNDS, Math.floor(groups / SHARED_WORKGROUPS));
  return spreadWorkgroups(Math.ceil(groups / (profile?.kind === 'cpu' ? Math.max(share, 1) : 1)));
}

/**
 * Opens `main` and in it a loop over every `index` below `count` that the invocation has: both want closing.
 * How many those are follows from the number of workgroups, so that a pipeline serves all.
 */
export function vectorMain(count: string): string {
  return `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let bound = ${count};
  let invocations = groups.x * groups.y * ${WORKGROUP}u;
  let span = (bound + invocations - 1u) / invocations * ${WORKGROUP}u;
  let begin = (group.y * groups.x + group.x) * span;
  let end = min(begin + span, bound);
  for (var index = begin + lane; index < end; index += ${WORKGROUP}u) {`;
}

/**
 * A number as a WGSL f32 literal, rounded to f32. With a suffix, because JavaScript writes whole numbers up
 * to 1e21 without an exponent, and WGSL's whole numbers end at 2⁶³.
 */
export function literal(value: number): string {
  return `f32(${Math.fround(value)}f)`;
}

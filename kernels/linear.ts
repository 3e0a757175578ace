import { spreadWorkgroups } from './kernel.ts';

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

/** A number as a WGSL f32 literal, rounded to f32. */
export function literal(value: number): string {
  return `f32(${Math.fround(value)})`;
}

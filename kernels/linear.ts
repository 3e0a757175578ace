import { spreadWorkgroups } from './kernel.ts';

/** Building blocks of kernels that give every invocation one index of a flat range. */

const WORKGROUP = 64;

/** Workgroups that cover `count` invocations. */
export function linearWorkgroups(count: number): [number, number, number] {
  return spreadWorkgroups(Math.ceil(count / WORKGROUP));
}

/** Opens `main`, defines `index`, and returns from invocations beyond `count`. */
export function linearMain(count: number): string {
  return `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (index >= ${count}u) { return; }`;
}

/** A number as a WGSL f32 literal, rounded to f32. */
export function literal(value: number): string {
  return `f32(${Math.fround(value)})`;
}

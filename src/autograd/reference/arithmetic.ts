import { type HostArray, hostArray } from '../registry/row.ts';

/** Element-wise map of arrays of one shape, in double precision. */
export function map(
  f: (...values: number[]) => number,
  ...arrays: readonly HostArray[]
): HostArray {
  const y = hostArray(arrays[0].shape);
  for (let i = 0; i < y.data.length; i++) y.data[i] = f(...arrays.map((array) => array.data[i]));
  return y;
}

import { type HostArray, hostArray } from '../registry/row.ts';
import { sizeOf } from '../tensor.ts';

/** Joins arrays along an axis, element by element. */
export function concatReference(arrays: readonly HostArray[], axis: number): HostArray {
  const shape = [...arrays[0].shape];
  shape[axis] = arrays.reduce((sum, array) => sum + array.shape[axis], 0);
  const y = hostArray(shape);
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const array of arrays) {
      const length = array.shape[axis] * inner;
      for (let i = 0; i < length; i++) y.data[at++] = array.data[o * length + i];
    }
  }
  return y;
}

/** Entries `start … start+count-1` of an axis, element by element. */
export function sliceReference(
  x: HostArray,
  axis: number,
  start: number,
  count: number,
): HostArray {
  const y = hostArray(x.shape.with(axis, count));
  const inner = sizeOf(x.shape.slice(axis + 1));
  let at = 0;
  x.data.forEach((value, i) => {
    const entry = Math.floor(i / inner) % x.shape[axis];
    if (entry >= start && entry < start + count) y.data[at++] = value;
  });
  return y;
}

/** Puts dy back where it was cut out, zeros elsewhere. */
export function sliceGradientReference(
  x: HostArray,
  axis: number,
  start: number,
  dy: HostArray,
): HostArray {
  const dx = hostArray(x.shape);
  const inner = sizeOf(x.shape.slice(axis + 1));
  let at = 0;
  dx.data.forEach((_, i) => {
    const entry = Math.floor(i / inner) % x.shape[axis];
    if (entry >= start && entry < start + dy.shape[axis]) dx.data[i] = dy.data[at++];
  });
  return dx;
}

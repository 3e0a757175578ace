/** Orders of axes: ours is NCHW and OIHW, tfjs computes in NHWC and HWIO. */

/**
 * Copies `data` of `shape` with its axes in another order: axis i of the result is axis `order[i]`.
 */
export function transpose(
  data: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const extents = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const result = new Float32Array(data.length);
  const index = new Array<number>(order.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from];
    for (let axis = order.length - 1; axis >= 0; axis--) {
      index[axis]++;
      from += steps[axis];
      if (index[axis] < extents[axis]) break;
      from -= steps[axis] * extents[axis];
      index[axis] = 0;
    }
  }
  return result;
}

export function transposedShape(shape: readonly number[], order: readonly number[]): number[] {
  return order.map((axis) => shape[axis]);
}

export const NCHW_TO_NHWC = [0, 2, 3, 1] as const;
export const NHWC_TO_NCHW = [0, 3, 1, 2] as const;
/** Convolution weights OIHW; and transposed ones, IOHW, to tfjs's [H,W,O,I]. */
export const OIHW_TO_HWIO = [2, 3, 1, 0] as const;
export const HWIO_TO_OIHW = [3, 2, 0, 1] as const;

import type { Tensor } from '../tensor.ts';
import { resize } from './resize.ts';

/**
 * `[N,C,H,W]` at another size, each pixel being x at ⌊o·in/out⌋ (`torch.nn.functional.interpolate`
 * with `mode='nearest'`).
 * @throws ShapeError unless sizes are whole numbers in 1 … 16384
 */
export function upsampleNearest(
  x: Tensor,
  size: { readonly height: number; readonly width: number },
): Tensor {
  return resize('upsample_nearest', 'nearest', x, size);
}

import type { Tensor } from '../tensor.ts';
import { resize } from './resize.ts';

export interface ResizeBilinearOptions {
  readonly height: number;
  readonly width: number;
  /** Whether the corner pixels of both images coincide; default false, as in PyTorch. */
  readonly alignCorners?: boolean;
}

/**
 * Bilinear interpolation of `[N,C,H,W]` to another size (`torch.nn.functional.interpolate`), without
 * smoothing when it shrinks: source = max(0, (o+½)·in/out - ½), or o·(in-1)/(out-1) with aligned
 * corners.
 * @throws ShapeError unless sizes are whole numbers in 1 … 16384
 */
export function resizeBilinear(x: Tensor, options: ResizeBilinearOptions): Tensor {
  return resize('resize_bilinear', options.alignCorners ? 'corners' : 'bilinear', x, options);
}

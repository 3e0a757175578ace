/** Which positions of the input the pixels of the output stand for: `resize.ts` has the formulas. */
export type ResizeMode = 'bilinear' | 'corners' | 'nearest';

/** Resampling of planes `[planes,H,W]` to `[planes,OH,OW]`. */
export interface ResizeSpec {
  readonly mode: ResizeMode;
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
}

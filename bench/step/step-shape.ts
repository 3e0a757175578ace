/** The sizes of one training step of the proposed method. */
export interface StepShape {
  readonly size: number;
  readonly ngf: number;
  readonly ndf: number;
  readonly batch: number;
}

/** The steps that the tables show. */
export const STEP_SHAPES: readonly StepShape[] = [
  { size: 64, ngf: 16, ndf: 16, batch: 4 },
  { size: 128, ngf: 16, ndf: 16, batch: 4 },
  { size: 256, ngf: 64, ndf: 64, batch: 1 },
];

/** The paper's. */
export const PAPER_SHAPE: StepShape = { size: 256, ngf: 64, ndf: 64, batch: 4 };

/** U-Net depth that the programs take by default: log2 of the size, at most 8. */
export function levelsOf({ size }: StepShape): number {
  return Math.min(8, Math.floor(Math.log2(size)));
}

/** `64 px, ngf 16, ndf 16, batch 4`. */
export function shapeText({ size, ngf, ndf, batch }: StepShape): string {
  return `${size} px, ngf ${ngf}, ndf ${ndf}, batch ${batch}`;
}

import type { EvaluatedImages } from '../run/evaluate.ts';

/** Correlation below which contrast counts as inverted, and validations in a row that must show it. */
const INVERTED = -0.1;
const IN_A_ROW = 2;

/**
 * Pearson's correlation of two images, (a-ā)·(b-b̄)/(‖a-ā‖‖b-b̄‖) in [-1,1]; 0 where one is constant.
 */
export function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (values: Float32Array) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] - meanA, b[i] - meanB];
    product += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  return squareA && squareB ? product / Math.sqrt(squareA * squareB) : 0;
}

/**
 * Watches for a pair of generators that have agreed on inverted contrast, vessels white and bone black: each
 * undoes what the other does, so that a cycle's losses do not see it, and training seldom leaves it.
 */
export class InvertedContrast {
  private seen = 0;

  /**
   * @param images some of a validation's
   * @returns what to tell the user, once in a run
   */
  note(images: readonly EvaluatedImages[]): string | undefined {
    if (!images.length) return undefined;
    const mean = (of: (image: EvaluatedImages) => number) =>
      images.reduce((sum, image) => sum + of(image), 0) / images.length;
    const enhanced = mean((image) => correlation(image.enhanced, image.high));
    const low = mean((image) => correlation(image.low, image.high));
    this.seen = enhanced < INVERTED && low > 0 ? this.seen + 1 : 0;
    if (this.seen !== IN_A_ROW) return undefined;
    return (
      `warning: contrast is inverted: enhanced and high-quality pictures are correlated by ${enhanced.toFixed(2)}, ` +
      `low-quality ones by ${low.toFixed(2)}. The generators undo each other's inversion, so their cycles do not ` +
      'see it; a run with another --seed usually does not get there'
    );
  }
}

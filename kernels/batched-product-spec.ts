/** Products of many small matrices, y[g,m,n] = factor·Σ_k a[g,m,k]·b[g,k,n]: `batched-product.ts`. */
export interface BatchedProductSpec {
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  /** Terms of a sum, K. */
  readonly depth: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly factor: number;
}

import { batchedProduct } from '../../../kernels/batched-product.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { requireFinite, requireSameElementType } from './check.ts';

/** Which operand of a product is transposed as it is stored. */
type Orientation = 'nn' | 'nt' | 'tn';

/** y[g] = factor·a[g]·b[g], a tensor of `shape`. */
function product(
  a: Tensor,
  b: Tensor,
  shape: Shape,
  orientation: Orientation,
  sizes: { groups: number; rows: number; columns: number; depth: number; factor?: number },
): Tensor {
  const y = emptyLike(a, shape);
  const transposeA = orientation === 'tn';
  const transposeB = orientation === 'nt';
  const spec = { factor: 1, ...sizes, transposeA, transposeB };
  runKernel(batchedProduct(spec, a.gpu.profile), [a, b, y]);
  return y;
}

/** Sizes of tokens `[N,C,…]` cut into heads of C/heads channels. */
interface Tokens {
  readonly groups: number;
  readonly depth: number;
  readonly count: number;
}

/** @throws ShapeError unless x is `[N,C,…]` with C a multiple of `heads` */
function tokensOf(op: string, x: Tensor, heads: number): Tokens {
  const [batch, channels] = x.shape;
  const isWhole = Number.isInteger(heads) && heads > 0 && channels % heads === 0;
  if (x.shape.length < 3 || x.size === 0 || !isWhole) {
    throw new ShapeError(
      `${op} of ${heads} heads needs [N,C,…] with C a multiple of them, found ${formatShape(x.shape)}`,
    );
  }
  return { groups: batch * heads, depth: channels / heads, count: sizeOf(x.shape.slice(2)) };
}

/**
 * y[n·heads+h,i,j] = factor·Σ_d a[n,h,d,i]·b[n,h,d,j]: how alike every token of a is to every token of b, head by
 * head. With factor 1/√(C/heads) these are attention's scores of queries and keys.
 * @param a `[N,C,…]`, the tokens along the last axes, channels of a head side by side
 * @param b `[N,C,…]`
 * @returns `[N·heads,Ta,Tb]`
 * @throws ShapeError if batches or channels differ, or heads do not divide the channels; UsageError if 32-bit
 *   floats cannot hold the factor
 */
export function tokenSimilarity(
  a: Tensor,
  b: Tensor,
  { heads = 1, factor = 1 }: { heads?: number; factor?: number } = {},
): Tensor {
  const op = 'tokenSimilarity';
  requireFinite(op, 'factor', factor);
  requireSameElementType(op, [a, b]);
  const { groups, depth, count: rows } = tokensOf(op, a, heads);
  const { groups: others, depth: otherDepth, count: columns } = tokensOf(op, b, heads);
  if (groups !== others || depth !== otherDepth) {
    throw new ShapeError(
      `${op} needs equal batches and channels, found ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
  }
  const sizes = { groups, factor };
  const y = product(a, b, [groups, rows, columns], 'tn', { ...sizes, rows, columns, depth });
  return attach(y, 'token_similarity', [a, b], (dy) => [
    () => product(b, dy, a.shape, 'nt', { ...sizes, rows: depth, columns: rows, depth: columns }),
    () => product(a, dy, b.shape, 'nn', { ...sizes, rows: depth, columns, depth: rows }),
  ]);
}

/**
 * y[n,h,d,i] = Σ_j weights[n·heads+h,i,j]·x[n,h,d,j]: every token becomes a mixture of all tokens of its head.
 * @param weights `[N·heads,T,T]`
 * @param x `[N,C,…]` of T tokens
 * @returns x's shape
 * @throws ShapeError if they do not fit
 */
export function mixTokens(weights: Tensor, x: Tensor, heads = 1): Tensor {
  requireSameElementType('mixTokens', [weights, x]);
  const { groups, depth, count } = tokensOf('mixTokens', x, heads);
  const [found, rows, columns] = weights.shape;
  if (weights.shape.length !== 3 || found !== groups || rows !== count || columns !== count) {
    throw new ShapeError(
      `mixTokens of ${formatShape(x.shape)} in ${heads} heads needs weights [${groups},${count},${count}], found ${formatShape(weights.shape)}`,
    );
  }
  const y = product(x, weights, x.shape, 'nt', {
    groups,
    rows: depth,
    columns: count,
    depth: count,
  });
  return attach(y, 'mix_tokens', [weights, x], (dy) => [
    () => product(dy, x, weights.shape, 'tn', { groups, rows: count, columns: count, depth }),
    () =>
      product(dy, weights, x.shape, 'nn', { groups, rows: depth, columns: count, depth: count }),
  ]);
}

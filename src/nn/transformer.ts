import { ELEMENT_BYTES } from '../../kernels/element-types.ts';
import { add } from '../autograd/ops/arithmetic.ts';
import { concat } from '../autograd/ops/concat.ts';
import { conv2d } from '../autograd/ops/conv2d.ts';
import { gelu } from '../autograd/ops/gelu.ts';
import { layerNorm } from '../autograd/ops/layer-norm.ts';
import { sliceBatch, sliceChannels } from '../autograd/ops/slice.ts';
import { softmax } from '../autograd/ops/softmax.ts';
import { mixTokens, tokenSimilarity } from '../autograd/ops/token-products.ts';
import { formatShape, sizeOf, type Tensor } from '../autograd/tensor.ts';
import { ShapeError } from '../errors.ts';
import type { Initialiser } from './initialisers.ts';
import { declareConvolution } from './network.ts';
import type { ParameterDeclaration, ParameterSet } from './parameter-set.ts';

/** Bytes of attention weights made at once: WebGPU's default limit of a storage binding. */
const MOST_BYTES = 128 * 2 ** 20;

/**
 * Scaled dot-product attention softmax(qᵀk/√d)·v of every head (Vaswani et al. 2017) over maps `[N,C,H,W]`, whose
 * pixels are the tokens and whose channels are the heads' side by side. Where the weights of all images exceed what a
 * binding may hold, images, then heads, take turns.
 * @throws ShapeError if even one head has too many tokens (sides of the map beyond 76 pixels, of f16 beyond 90)
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  heads: number,
  mostBytes = MOST_BYTES,
): Tensor {
  const [batch, channels] = q.shape;
  const tokens = sizeOf(q.shape.slice(2));
  const bytes = tokens * tokens * ELEMENT_BYTES[q.elementType];
  const headsAtOnce = Math.floor(mostBytes / bytes);
  if (headsAtOnce < 1) {
    throw new ShapeError(
      `attention among ${tokens} tokens of ${formatShape(q.shape)} needs ${bytes} bytes a head, more than ${mostBytes}: take the image in tiles`,
    );
  }
  if (batch * heads <= headsAtOnce) return attend(q, k, v, heads);
  const parts: Tensor[] = [];
  if (heads <= headsAtOnce) {
    const images = Math.floor(headsAtOnce / heads);
    for (let first = 0; first < batch; first += images) {
      const cut = (x: Tensor) => sliceBatch(x, first, Math.min(images, batch - first));
      parts.push(attend(cut(q), cut(k), cut(v), heads));
    }
    return concat(parts, 0);
  }
  const depth = channels / heads;
  for (let first = 0; first < heads; first += headsAtOnce) {
    const some = Math.min(headsAtOnce, heads - first);
    const cut = (x: Tensor) => sliceChannels(x, first * depth, some * depth);
    parts.push(attention(cut(q), cut(k), cut(v), some, mostBytes));
  }
  return concat(parts, 1);
}

function attend(q: Tensor, k: Tensor, v: Tensor, heads: number): Tensor {
  const factor = 1 / Math.sqrt(q.shape[1] / heads);
  return mixTokens(softmax(tokenSimilarity(q, k, { heads, factor })), v, heads);
}

export interface TransformerOptions {
  /** Channels of a token, a multiple of `heads`. */
  readonly width: number;
  readonly heads: number;
  /** Width of the hidden layer of the MLP, in multiples of `width`. */
  readonly expansion: number;
}

/**
 * One pre-norm layer of a transformer over a map's pixels: x + attention(norm1(x)), then x + mlp(norm2(x)) with
 * GELU between its two linear layers. No dropout. Linear layers are 1×1 convolutions.
 * @param name of the layer in the network's parameters
 */
export function transformerLayer(
  parameters: ParameterSet,
  name: string,
  heads: number,
  x: Tensor,
): Tensor {
  const get = (part: string): Tensor => parameters.get(`${name}.${part}`);
  const linear = (part: string, input: Tensor): Tensor =>
    conv2d(input, get(`${part}.weight`), get(`${part}.bias`));
  const norm = (part: string, input: Tensor): Tensor =>
    layerNorm(input, get(`${part}.weight`), get(`${part}.bias`));
  const first = norm('norm1', x);
  const [q, k, v] = ['query', 'key', 'value'].map((part) => linear(part, first));
  const attended = add(x, linear('output', attention(q, k, v, heads)));
  const hidden = gelu(linear('mlp1', norm('norm2', attended)));
  return add(attended, linear('mlp2', hidden));
}

/** The parameters of a layer; norms begin at 1 and 0. */
export function declareTransformerLayer(
  name: string,
  { width, expansion }: TransformerOptions,
  initialise: Initialiser,
): ParameterDeclaration[] {
  const linear = (part: string, from: number, to: number): ParameterDeclaration[] =>
    declareConvolution(`${name}.${part}`, [to, from, 1, 1], initialise, {
      bias: true,
      biasLength: to,
      // It adds the same to all scores of a query, which softmax takes away again.
      cancelled: part === 'key',
    });
  const norm = (part: string): ParameterDeclaration[] =>
    (['weight', 'bias'] as const).map((kind) => ({
      name: `${name}.${part}.${kind}`,
      shape: [width],
      initialise: () => new Float32Array(width).fill(kind === 'weight' ? 1 : 0),
    }));
  return [
    ...norm('norm1'),
    ...['query', 'key', 'value', 'output'].flatMap((part) => linear(part, width, width)),
    ...norm('norm2'),
    ...linear('mlp1', width, expansion * width),
    ...linear('mlp2', expansion * width, width),
  ];
}

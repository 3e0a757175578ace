import type { Tensorlike } from '../../src/nn/network.ts';
import { TRUNKS } from '../../src/nn/perceptual/trunks.ts';
import { OIHW_TO_HWIO, transpose, transposedShape } from './layout.ts';
import type { Tf, TfTensor, TfVariable } from './tfjs-types.ts';

/*
 * The networks of the proposed method with tfjs's ops, NHWC, from the same initial weights as ours.
 * Each function mirrors a file of src/nn.
 */

type State = ReadonlyMap<string, Tensorlike>;

/** Weights by our name: variables of one network, or constants of the trunk. */
export class Weights<T extends TfTensor> {
  private readonly tensors = new Map<string, T>();

  constructor(state: State, prefix: string, make: (data: TfTensor, name: string) => T, tf: Tf) {
    for (const [name, { shape, data }] of state) {
      if (!name.startsWith(prefix)) continue;
      // Both IOHW and OIHW become [H, W, second, first], which is what tfjs wants of either.
      const tensor =
        shape.length === 4
          ? tf.tensor(transpose(data, shape, OIHW_TO_HWIO), transposedShape(shape, OIHW_TO_HWIO))
          : tf.tensor(data, [...shape]);
      this.tensors.set(name.slice(prefix.length), make(tensor, name));
    }
  }

  get(name: string): T {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`no tensor ${name}`);
    return tensor;
  }

  all(): T[] {
    return [...this.tensors.values()];
  }
}

/** Per image and channel, without scale or shift. */
function instanceNorm(tf: Tf, x: TfTensor): TfTensor {
  const centred = tf.sub(x, tf.mean(x, [1, 2], true));
  const variance = tf.mean(tf.square(centred), [1, 2], true);
  return tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
}

/** U-Net, after src/nn/unet.ts, without dropout. */
export function unet(tf: Tf, weights: Weights<TfVariable>, levels: number, x: TfTensor): TfTensor {
  const skips: TfTensor[] = [];
  let current = x;
  for (let level = 1; level <= levels; level++) {
    current = tf.conv2d(current, weights.get(`down${level}.weight`), 2, 1);
    current = tf.add(current, weights.get(`down${level}.bias`));
    if (level > 1 && level < levels) current = instanceNorm(tf, current);
    if (level < levels) current = tf.leakyRelu(current, 0.2);
    skips.push(current);
  }
  current = tf.relu(current);
  for (let level = levels; level >= 1; level--) {
    const filter = weights.get(`up${level}.weight`);
    const [batch, height, width] = current.shape;
    const shape = [batch, 2 * height, 2 * width, filter.shape[2]];
    current = tf.conv2dTranspose(current, filter, shape, 2, 1);
    current = tf.add(current, weights.get(`up${level}.bias`));
    if (level === 1) break;
    current = tf.relu(tf.concat([skips[level - 2], instanceNorm(tf, current)], 3));
  }
  return tf.tanh(current);
}

/** Reflection by one pixel; tfjs's own mirrorPad has no gradient. */
function reflectOne(tf: Tf, x: TfTensor, axis: 1 | 2): TfTensor {
  const size = [...x.shape];
  const last = size[axis];
  size[axis] = 1;
  const at = (index: number): TfTensor =>
    tf.slice(
      x,
      x.shape.map((_, i) => (i === axis ? index : 0)),
      size,
    );
  return tf.concat([at(1), x, at(last - 2)], axis);
}

/** u and v of one layer's power iteration, constants of the pass they were made for. */
export interface Singular {
  readonly u: TfTensor;
  readonly v: TfTensor;
}

/** One power iteration of every spectral layer: v ← n(Mᵀu), u ← n(Mv); M is [out, rest]. */
export function iterate(tf: Tf, weights: Weights<TfVariable>, u: readonly TfTensor[]): Singular[] {
  const normalise = (z: TfTensor): TfTensor => tf.div(z, tf.sqrt(tf.sum(tf.square(z))));
  return u.map((before, index) => {
    const matrix = matrixOf(tf, weights.get(`conv${index + 1}.weight_orig`));
    const v = normalise(tf.matMul(matrix, before));
    return { v, u: normalise(tf.matMul(matrix, v, true)) };
  });
}

/** Mᵀ, [rest, out]. */
function matrixOf(tf: Tf, weight: TfTensor): TfTensor {
  const out = weight.shape[3];
  return tf.reshape(weight, [weight.shape[0] * weight.shape[1] * weight.shape[2], out]);
}

/** PatchGAN, after src/nn/patchgan.ts. */
export function patchGan(
  tf: Tf,
  weights: Weights<TfVariable>,
  singular: readonly Singular[],
  x: TfTensor,
): TfTensor {
  let current = x;
  for (let layer = 1; layer <= 5; layer++) {
    let filter: TfTensor;
    if (layer <= singular.length) {
      const weight = weights.get(`conv${layer}.weight_orig`);
      const { u, v } = singular[layer - 1];
      const sigma = tf.sum(tf.mul(v, tf.matMul(matrixOf(tf, weight), u)));
      filter = tf.div(weight, sigma);
    } else filter = weights.get(`conv${layer}.weight`);
    current = reflectOne(tf, reflectOne(tf, current, 1), 2);
    current = tf.conv2d(current, filter, layer <= 3 ? 2 : 1, 0);
    current = tf.add(current, weights.get(`conv${layer}.bias`));
    if (layer < 5) current = tf.leakyRelu(current, 0.2);
  }
  return current;
}

/** Features of SqueezeNet's slices, after src/nn/perceptual. Sizes are such that ceil mode does nothing. */
export function squeezeFeatures(tf: Tf, weights: Weights<TfTensor>, x: TfTensor): TfTensor[] {
  const convolve = (input: TfTensor, name: string, stride: number, pad: number): TfTensor =>
    tf.relu(
      tf.add(
        tf.conv2d(input, weights.get(`trunk.${name}.weight`), stride, pad),
        weights.get(`trunk.${name}.bias`),
      ),
    );
  const shift = tf.tensor(Float32Array.of(-0.03, -0.088, -0.188), [1, 1, 1, 3]);
  const scale = tf.tensor(Float32Array.of(0.458, 0.448, 0.45), [1, 1, 1, 3]);
  let current = tf.div(tf.sub(x, shift), scale);
  return TRUNKS.squeeze.slices.map((slice) => {
    for (const layer of slice) {
      if (layer.kind === 'conv') {
        current = convolve(current, layer.name, layer.stride, layer.padding);
      } else if (layer.kind === 'pool') {
        if ((current.shape[1] - layer.kernel) % 2) throw new Error('size would need ceil mode');
        current = tf.maxPool(current, layer.kernel, 2, 'valid');
      } else {
        const squeezed = convolve(current, `${layer.name}.squeeze`, 1, 0);
        current = tf.concat(
          [
            convolve(squeezed, `${layer.name}.expand1x1`, 1, 0),
            convolve(squeezed, `${layer.name}.expand3x3`, 1, 1),
          ],
          3,
        );
      }
    }
    return current;
  });
}

/** Mean over the batch of the LPIPS distance of two lists of features. */
export function lpips(
  tf: Tf,
  weights: Weights<TfTensor>,
  first: readonly TfTensor[],
  second: readonly TfTensor[],
): TfTensor {
  // The root's slope at 0 is infinite; a pixel without features must not give NaN.
  const unit = (f: TfTensor): TfTensor =>
    tf.div(f, tf.add(tf.sqrt(tf.add(tf.sum(tf.square(f), 3, true), 1e-20)), 1e-10));
  const shares = first.map((f, tap) => {
    const difference = tf.square(tf.sub(unit(f), unit(second[tap])));
    const perPixel = tf.sum(tf.mul(difference, weights.get(`lin${tap}`)), 3);
    return tf.mean(perPixel);
  });
  return shares.reduce((total, share) => tf.add(total, share));
}

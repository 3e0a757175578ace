import type { Activation } from '../../../kernels/activation.ts';
import type { PaddingMode } from '../../../kernels/conv2d/geometry.ts';
import { type HostArray, hostArray } from '../registry/row.ts';
import type { Shape } from '../tensor.ts';
import { activationSlope, activationValue } from './activations.ts';

export interface ConvolutionAttributes {
  readonly stride: number;
  readonly padding: number;
  readonly paddingMode: PaddingMode;
  readonly outputPadding: number;
  readonly activation: Activation;
}

/** Index in the image that position `at` of the padded axis shows, or -1 for a zero. */
function source(at: number, size: number, { padding, paddingMode }: ConvolutionAttributes): number {
  const i = at - padding;
  if (i >= 0 && i < size) return i;
  if (paddingMode === 'zeros') return -1;
  return i < 0 ? -i : 2 * (size - 1) - i;
}

/** Calls `visit(index of image, of weight, of output)` for every product of a convolution. */
function products(
  image: Shape,
  weight: Shape,
  output: Shape,
  attributes: ConvolutionAttributes,
  visit: (image: number, weight: number, output: number) => void,
): void {
  const [batch, channels, height, width] = image;
  const [outChannels, , kernelHeight, kernelWidth] = weight;
  const [, , outHeight, outWidth] = output;
  const { stride } = attributes;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      for (let oy = 0; oy < outHeight; oy++) {
        for (let ox = 0; ox < outWidth; ox++) {
          const to = ((n * outChannels + o) * outHeight + oy) * outWidth + ox;
          for (let c = 0; c < channels; c++) {
            for (let ky = 0; ky < kernelHeight; ky++) {
              const y = source(stride * oy + ky, height, attributes);
              if (y < 0) continue;
              for (let kx = 0; kx < kernelWidth; kx++) {
                const x = source(stride * ox + kx, width, attributes);
                if (x < 0) continue;
                visit(
                  ((n * channels + c) * height + y) * width + x,
                  ((o * channels + c) * kernelHeight + ky) * kernelWidth + kx,
                  to,
                );
              }
            }
          }
        }
      }
    }
  }
}

type Linear = (x: HostArray, weight: HostArray, bias?: HostArray) => HostArray;

function addBias(y: HostArray, bias: HostArray | undefined): HostArray {
  if (!bias) return y;
  const pixels = y.shape[2] * y.shape[3];
  for (let i = 0; i < y.data.length; i++) {
    y.data[i] += bias.data[Math.floor(i / pixels) % bias.data.length];
  }
  return y;
}

function activate(z: HostArray, activation: Activation): HostArray {
  return hostArray(
    z.shape,
    z.data.map((value) => activationValue(activation, value)),
  );
}

/** dy·f'(z), with z recomputed. */
function cotangentOf(z: HostArray, activation: Activation, dy: HostArray): HostArray {
  return hostArray(
    z.shape,
    z.data.map((value, i) => dy.data[i] * activationSlope(activation, value)),
  );
}

function biasGradient(dz: HostArray, bias: HostArray): HostArray {
  const db = hostArray(bias.shape);
  const pixels = dz.shape[2] * dz.shape[3];
  dz.data.forEach((value, i) => {
    db.data[Math.floor(i / pixels) % db.data.length] += value;
  });
  return db;
}

function convolution(attributes: ConvolutionAttributes): Linear {
  return (x, weight, bias) => {
    const { stride, padding } = attributes;
    const extent = (axis: number): number =>
      Math.floor((x.shape[axis] + 2 * padding - weight.shape[axis]) / stride) + 1;
    const y = hostArray([x.shape[0], weight.shape[0], extent(2), extent(3)]);
    products(x.shape, weight.shape, y.shape, attributes, (i, k, o) => {
      y.data[o] += x.data[i] * weight.data[k];
    });
    return addBias(y, bias);
  };
}

function transposed(attributes: ConvolutionAttributes): Linear {
  return (x, weight, bias) => {
    const { stride, padding, outputPadding } = attributes;
    const extent = (axis: number): number =>
      (x.shape[axis] - 1) * stride - 2 * padding + weight.shape[axis] + outputPadding;
    const y = hostArray([x.shape[0], weight.shape[1], extent(2), extent(3)]);
    products(y.shape, weight.shape, x.shape, attributes, (i, k, o) => {
      y.data[i] += x.data[o] * weight.data[k];
    });
    return addBias(y, bias);
  };
}

export function conv2dForwardReference(
  [x, weight, bias]: readonly HostArray[],
  attributes: ConvolutionAttributes,
): HostArray {
  return activate(convolution(attributes)(x, weight, bias), attributes.activation);
}

export function conv2dBackwardReference(
  [x, weight, bias]: readonly HostArray[],
  attributes: ConvolutionAttributes,
  cotangent: HostArray,
): HostArray[] {
  const z = convolution(attributes)(x, weight, bias);
  const dz = cotangentOf(z, attributes.activation, cotangent);
  const dx = hostArray(x.shape);
  const dw = hostArray(weight.shape);
  products(x.shape, weight.shape, z.shape, attributes, (i, k, o) => {
    dx.data[i] += dz.data[o] * weight.data[k];
    dw.data[k] += dz.data[o] * x.data[i];
  });
  return bias ? [dx, dw, biasGradient(dz, bias)] : [dx, dw];
}

export function convTranspose2dForwardReference(
  [x, weight, bias]: readonly HostArray[],
  attributes: ConvolutionAttributes,
): HostArray {
  return activate(transposed(attributes)(x, weight, bias), attributes.activation);
}

export function convTranspose2dBackwardReference(
  [x, weight, bias]: readonly HostArray[],
  attributes: ConvolutionAttributes,
  cotangent: HostArray,
): HostArray[] {
  const z = transposed(attributes)(x, weight, bias);
  const dz = cotangentOf(z, attributes.activation, cotangent);
  const dx = hostArray(x.shape);
  const dw = hostArray(weight.shape);
  products(z.shape, weight.shape, x.shape, attributes, (i, k, o) => {
    dx.data[o] += dz.data[i] * weight.data[k];
    dw.data[k] += dz.data[i] * x.data[o];
  });
  return bias ? [dx, dw, biasGradient(dz, bias)] : [dx, dw];
}

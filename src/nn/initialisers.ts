import type { RandomStream } from '../autograd/philox.ts';
import { type Shape, sizeOf } from '../autograd/tensor.ts';

/** `default`: PyTorch's U(±1/√fan_in); `normal`: N(0, 0.02), biases 0 (pix2pix). */
export const INITIALISERS = ['default', 'normal'] as const;
export type InitialiserName = (typeof INITIALISERS)[number];

/** Fills a new parameter of a convolution. */
export type Initialiser = (shape: Shape, kind: 'weight' | 'bias', fanIn: number) => Float32Array;

/**
 * Values for a weight or bias of a layer with `fanIn` = size(1)·kh·kw of the stored weight, that is
 * C_in·k² for a convolution and C_out·k² for a transposed one (methods: PyTorch default init).
 */
export function initialiser(name: InitialiserName, random: RandomStream): Initialiser {
  if (name === 'normal') {
    return (shape, kind) => {
      const values = new Float32Array(sizeOf(shape));
      if (kind === 'weight')
        for (let i = 0; i < values.length; i++) values[i] = random.normal() * 0.02;
      return values;
    };
  }
  return (shape, _kind, fanIn) => {
    const values = new Float32Array(sizeOf(shape));
    const bound = 1 / Math.sqrt(fanIn);
    for (let i = 0; i < values.length; i++) values[i] = (2 * random.uniform() - 1) * bound;
    return values;
  };
}

/** Scale and shift of a batch norm: 1 and 0, or with `normal` N(1, 0.02) and 0 (pix2pix). */
export function normInitialiser(
  name: InitialiserName,
  random: RandomStream,
): (channels: number, kind: 'weight' | 'bias') => Float32Array {
  return (channels, kind) => {
    const values = new Float32Array(channels);
    if (kind === 'weight') {
      for (let i = 0; i < channels; i++)
        values[i] = name === 'normal' ? 1 + random.normal() * 0.02 : 1;
    }
    return values;
  };
}

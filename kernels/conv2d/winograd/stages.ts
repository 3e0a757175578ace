import type { Kernel, Operand, Plan } from '../../kernel.ts';
import { multiplyWinogradTiles } from './outer-products.ts';
import { multiplyWinograd } from './products.ts';
import { type Chunk, chunksOf, type WinogradTiles, winogradLengths } from './tiles.ts';

/** The stages of a correlation that depend on how it is filtered. */
interface CorrelationStages {
  readonly tiles: WinogradTiles;
  /** Makes U of the weights. */
  readonly weights: Kernel;
  /** Makes V of the image. */
  readonly input: (chunk: Chunk) => Kernel;
  /** Makes the output of M and bias. */
  readonly output: (chunk: Chunk) => Kernel;
  readonly bias: boolean;
}

/** Correlates input 0 with weights input 1 and, if there is one, input 2 as bias, into output 0. */
export function correlationStages(stages: CorrelationStages): Plan {
  const { tiles } = stages;
  const lengths = winogradLengths(tiles);
  const [weights, input, products] = [0, 1, 2].map((temporary): Operand => ({ temporary }));
  const bias = { input: stages.bias ? 2 : 1 };
  return {
    temporaries: [lengths.weights, lengths.input, lengths.products],
    steps: [
      { kernel: stages.weights, operands: [{ input: 1 }, weights], dependsOnlyOn: 1 },
      ...chunksOf(tiles).flatMap((chunk) => [
        { kernel: stages.input(chunk), operands: [{ input: 0 }, { input: 0 }, input] },
        { kernel: multiplyWinograd(tiles, chunk), operands: [weights, input, products] },
        { kernel: stages.output(chunk), operands: [products, bias, { output: 0 }] },
      ]),
    ],
  };
}

/** The stages of a weight gradient that depend on how its forward pass is filtered. */
interface GradientStages {
  readonly tiles: WinogradTiles;
  /** Makes V of the image. */
  readonly input: (chunk: Chunk) => Kernel;
  /** Makes D of the cotangent. */
  readonly cotangent: (chunk: Chunk) => Kernel;
  /** Makes dw of dU. */
  readonly fold: Kernel;
}

/** Inputs: x, dy. Output: dw. */
export function gradientStages({ tiles, input, cotangent, fold }: GradientStages): Plan {
  const lengths = winogradLengths(tiles);
  const [pixels, cotangents, products] = [0, 1, 2].map((temporary): Operand => ({ temporary }));
  const gradient = tiles.products * 16 * tiles.rowQuads * tiles.channelQuads;
  return {
    temporaries: [lengths.input, lengths.products, gradient],
    steps: [
      ...chunksOf(tiles).flatMap((chunk) => [
        { kernel: input(chunk), operands: [{ input: 0 }, { input: 0 }, pixels] },
        { kernel: cotangent(chunk), operands: [{ input: 1 }, { input: 1 }, cotangents] },
        {
          kernel: multiplyWinogradTiles(tiles, chunk),
          operands: [cotangents, pixels, products],
        },
      ]),
      { kernel: fold, operands: [products, { output: 0 }] },
    ],
  };
}

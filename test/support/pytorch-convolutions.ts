import { convTranspose2d } from '../../src/autograd/ops/conv-transpose2d.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import type { RunOp } from './pytorch-op-cases.ts';

/** How the convolutions of the fixtures are called. */
export const CONVOLUTIONS: Readonly<Record<string, RunOp>> = {
  conv2d: ([x, weight, bias], { stride, padding, padding_mode: paddingMode }) =>
    conv2d(x, weight, bias, { stride, padding, paddingMode }),
  conv_transpose2d: ([x, weight, bias], { stride, padding, output_padding: outputPadding }) =>
    convTranspose2d(x, weight, bias, { stride, padding, outputPadding }),
};

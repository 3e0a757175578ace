import { bceWithLogits, mseToScalar } from '../autograd/ops/losses.ts';
import type { Tensor } from '../autograd/tensor.ts';

/** `vanilla`: binary cross-entropy of logits (Goodfellow et al.); `lsgan`: squared error (Mao et al.). */
export const GAN_MODES = ['vanilla', 'lsgan'] as const;
export type GanMode = (typeof GAN_MODES)[number];

/** How far logits are from calling every patch real (1) or fake (0), a scalar. */
export function ganLoss(mode: GanMode, logits: Tensor, target: 0 | 1): Tensor {
  return mode === 'lsgan' ? mseToScalar(logits, target) : bceWithLogits(logits, target);
}

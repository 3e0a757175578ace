/** Learning rate as a function of the epoch, from 0. */
export type Schedule = (epoch: number) => number;

/** lr·γ^⌊epoch/every⌋, PyTorch's StepLR stepped at the end of each epoch. */
export function stepSchedule(learningRate: number, every: number, gamma: number): Schedule {
  return (epoch) => learningRate * gamma ** Math.floor(epoch / every);
}

/**
 * Constant for `constant` epochs, then falling linearly over `decay` epochs:
 * lr·(1 - max(0, epoch + 1 - constant)/(decay + 1)), pytorch-CycleGAN-and-pix2pix `networks.py`,
 * stepped at the end of an epoch.
 */
export function linearDecaySchedule(
  learningRate: number,
  constant: number,
  decay: number,
): Schedule {
  return (epoch) => learningRate * (1 - Math.max(0, epoch + 1 - constant) / (decay + 1));
}

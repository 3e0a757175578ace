import { ACTIVATION_OPS } from './activations.ts';
import { ARITHMETIC_OPS } from './arithmetic.ts';
import { BATCH_NORM } from './batch-norm.ts';
import { ADD_BIAS } from './bias.ts';
import { CHANNEL_AFFINE } from './channel-affine.ts';
import { CONCAT_OPS } from './concat.ts';
import { CONSISTENCY_OPS } from './consistency.ts';
import { CONTRAST_OPS } from './contrast.ts';
import { CONVOLUTION_OPS } from './convolution.ts';
import { DROPOUT } from './dropout.ts';
import { FLOW_GRID } from './flow-grid.ts';
import { GRID_SAMPLE } from './grid-sample.ts';
import { INSTANCE_NORM } from './instance-norm.ts';
import { LOSS_OPS, MEAN_OF_PARTS, REDUCE_OPS, WEIGHTED_SUM } from './losses.ts';
import { LPIPS_DISTANCE } from './lpips-distance.ts';
import { MAX_POOL2D } from './max-pool2d.ts';
import { METRIC_OPS } from './metrics.ts';
import { RESIZE_OPS } from './resize.ts';
import type { AnyOpRow } from './row.ts';
import { SPECTRAL_NORMALIZE } from './spectral-normalize.ts';
import { TRANSFORMER_OPS } from './transformer.ts';

/** Every differentiable op of the engine. Tests and `docs/ops.md` walk this list. */
export const OPS: readonly AnyOpRow[] = [
  ...ACTIVATION_OPS,
  ...ARITHMETIC_OPS,
  ADD_BIAS,
  BATCH_NORM,
  CHANNEL_AFFINE,
  ...CONCAT_OPS,
  ...CONSISTENCY_OPS,
  ...CONTRAST_OPS,
  ...CONVOLUTION_OPS,
  DROPOUT,
  FLOW_GRID,
  GRID_SAMPLE,
  INSTANCE_NORM,
  ...REDUCE_OPS,
  ...LOSS_OPS,
  LPIPS_DISTANCE,
  MAX_POOL2D,
  ...METRIC_OPS,
  ...RESIZE_OPS,
  SPECTRAL_NORMALIZE,
  ...TRANSFORMER_OPS,
  WEIGHTED_SUM,
  MEAN_OF_PARTS,
];

import { NONE } from '../../kernels/activation.ts';
import { type BatchNormActivation, batchNorm } from '../autograd/ops/batch-norm.ts';
import { instanceNorm } from '../autograd/ops/instance-norm.ts';
import type { RandomStream } from '../autograd/philox.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type InitialiserName, normInitialiser } from './initialisers.ts';
import { type ForwardContext, type Network, persistentTensor } from './network.ts';
import type { ParameterDeclaration } from './parameter-set.ts';

/** Instance norm without learned values, or batch norm with scale, shift and running statistics. */
export const NORM_NAMES = ['instance', 'batch'] as const;
export type NormName = (typeof NORM_NAMES)[number];

/** `weight` and `bias` of a norm behind a layer; instance norm has none. */
export function declareNorm(
  norm: NormName,
  name: string,
  channels: number,
  initialise: InitialiserName,
  random: RandomStream,
): ParameterDeclaration[] {
  if (norm === 'instance') return [];
  const values = normInitialiser(initialise, random);
  return (['weight', 'bias'] as const).map((kind) => ({
    name: `${name}.${kind}`,
    shape: [channels],
    initialise: () => values(channels, kind),
  }));
}

/** Running mean 0 and variance 1 of the batch norms of a network, by name. */
export function normBuffers(
  gpu: Gpu,
  norm: NormName,
  layers: Iterable<readonly [name: string, channels: number]>,
): Map<string, Tensor> {
  const buffers = new Map<string, Tensor>();
  if (norm === 'instance') return buffers;
  for (const [name, channels] of layers) {
    const filled = (value: number) =>
      persistentTensor(gpu, new Float32Array(channels).fill(value), [channels]);
    buffers.set(`${name}.running_mean`, filled(0));
    buffers.set(`${name}.running_var`, filled(1));
  }
  return buffers;
}

/** Normalises behind a layer, with a leaky ReLU of `slope` after it if one is given. */
export function normalise(
  network: Network,
  norm: NormName,
  name: string,
  x: Tensor,
  context: ForwardContext,
  slope?: number,
): Tensor {
  const activation: BatchNormActivation =
    slope === undefined ? NONE : { kind: 'leaky_relu', slope };
  if (norm === 'instance') return instanceNorm(x, { activation });
  const buffer = (kind: string): Tensor => {
    const tensor = network.buffers.get(`${name}.${kind}`);
    if (!tensor) throw new ShapeError(`no buffer ${name}.${kind}`);
    return tensor;
  };
  return batchNorm(
    x,
    network.parameters.get(`${name}.weight`),
    network.parameters.get(`${name}.bias`),
    { mean: buffer('running_mean'), variance: buffer('running_var') },
    { training: context.training, activation },
  );
}

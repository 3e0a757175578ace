import { spectralNormForward } from '../../../kernels/spectral-norm.ts';
import { spectralNormBackward } from '../../../kernels/spectral-norm-gradient.ts';
import {
  layoutKey,
  MAX_SPECTRAL_LAYERS,
  packLayers,
  type SpectralNormLayer,
  type SpectralNormShape,
} from '../../../kernels/spectral-norm-layout.ts';
import { ShapeError } from '../../errors.ts';
import { overlaps, type StorageSpan, spanOf } from '../../gpu/storage.ts';
import type { GradientSlot } from '../graph.ts';
import type { Parameter } from '../parameter.ts';
import { rememberedPlan } from '../remembered-plan.ts';
import { attachAll } from '../tape.ts';
import { emptyTensor, formatShape, type Tensor } from '../tensor.ts';
import { requireFinite } from './check.ts';

export interface SpectralNormOptions {
  /** Whether one power iteration renews u and v first (a forward in training mode). */
  readonly update: boolean;
  /** Axis of the output channels: 0 for OIHW (default), 1 for IOHW. */
  readonly outputAxis?: 0 | 1;
  /** Least length to divide by when normalising u and v; default 1e-12. */
  readonly epsilon?: number;
}

/** A weight with its persistent vectors. */
export interface SpectralNormWeight {
  /** OIHW, or IOHW with `outputAxis` 1. */
  readonly weight: Tensor;
  /** `[O]` */
  readonly u: Tensor;
  /** `[I·KH·KW]` */
  readonly v: Tensor;
}

/**
 * The matrix that a weight stands for.
 * @throws ShapeError if u or v do not fit
 */
function matrixOf({ weight, u, v }: SpectralNormWeight, outputAxis: 0 | 1): SpectralNormShape {
  const { shape } = weight;
  const rows = shape[outputAxis];
  if (shape.length < 2 || u.size !== rows || v.size * rows !== weight.size) {
    const rest = rows ? weight.size / rows : 0;
    throw new ShapeError(
      `spectralNormalize: weight ${formatShape(shape)} with output axis ${outputAxis} needs u [${rows ?? '?'}] and v [${rest}], found ${formatShape(u.shape)} and ${formatShape(v.shape)}`,
    );
  }
  const blocks = outputAxis === 0 ? 1 : shape[0];
  return { rows, blocks, inner: weight.size / (rows * blocks) };
}

/**
 * Spectral normalisation, W/σ with σ = uᵀMv, where M is `weight` as a matrix of one row per output
 * channel. With `update`, v ← n(Mᵀu) then u ← n(Mv), n(z) = z/max(‖z‖, ε), once and without
 * gradient; the tensors `u` and `v` are overwritten.
 *
 * σ is differentiated, u and v are constants: ∂L/∂W = (G − ⟨G, W/σ⟩·u vᵀ)/σ. Each call keeps its own
 * u, v and σ for its backward, so several forwards may precede it; the weight must not change in
 * between.
 *
 * @throws ShapeError if u or v do not fit
 * Source: Miyato et al., ICLR 2018; `torch/nn/utils/spectral_norm.py`.
 */
export function spectralNormalize(
  weight: Tensor,
  u: Tensor,
  v: Tensor,
  options: SpectralNormOptions,
): Tensor {
  return spectralNormalizeAll([{ weight, u, v }], options)[0];
}

/**
 * `spectralNormalize` of several weights. Parameters of one set whose u and v lie side by side (see
 * `persistentTensors`) go through the same dispatches, up to four of them, in both directions.
 * @returns the normalised weights in the same order
 * @throws ShapeError if a u or v does not fit its weight; UsageError if epsilon is not finite
 */
export function spectralNormalizeAll(
  weights: readonly SpectralNormWeight[],
  options: SpectralNormOptions,
): readonly Tensor[] {
  requireFinite('spectralNormalize', 'epsilon', options.epsilon ?? 0);
  const shapes = weights.map((entry) => matrixOf(entry, options.outputAxis ?? 0));
  const results: Tensor[] = [];
  while (results.length < weights.length) {
    const first = results.length;
    let group = groupOf(weights.slice(first, first + 1), shapes.slice(first, first + 1));
    for (let count = 2; count <= Math.min(MAX_SPECTRAL_LAYERS, weights.length - first); count++) {
      group =
        groupOf(weights.slice(first, first + count), shapes.slice(first, first + count)) ?? group;
    }
    if (!group) throw new ShapeError('spectralNormalize: a weight cannot be bound');
    results.push(...normaliseGroup(group, options));
  }
  return results;
}

/** Weights that one dispatch can take. */
interface Group {
  readonly weights: readonly SpectralNormWeight[];
  readonly layers: readonly SpectralNormLayer[];
  /** Lengths of all rows and of all columns. */
  readonly rows: number;
  readonly columns: number;
  readonly weight: StorageSpan;
  readonly u: StorageSpan;
  readonly v: StorageSpan;
}

/** `undefined` where the weights, their vectors or their gradients cannot be bound together. */
function groupOf(
  weights: readonly SpectralNormWeight[],
  shapes: readonly SpectralNormShape[],
): Group | undefined {
  const weight = spanOf(weights.map((entry) => entry.weight.storage));
  const u = spanOf(weights.map((entry) => entry.u.storage));
  const v = spanOf(weights.map((entry) => entry.v.storage));
  if (!weight || !u || !v) return undefined;
  if (weights.length > 1) {
    const slots = weights.flatMap((entry) => slotOf(entry.weight) ?? []);
    const distinct = new Set(slots).size === weights.length;
    const alike = new Set(shapes.map(layoutKey)).size === 1;
    if (!distinct || !alike || overlaps(u.storage, v.storage)) return undefined;
    if (!spanOf(slots.map(({ tensor }) => tensor.storage))) return undefined;
  }
  const packed = packLayers(
    shapes.map((shape, k) => ({
      ...shape,
      weightStart: weight.starts[k],
      uStart: u.starts[k],
      vStart: v.starts[k],
    })),
  );
  return { weights, weight, u, v, ...packed };
}

function slotOf(weight: Tensor): GradientSlot | undefined {
  return (weight as Partial<Parameter>).gradient;
}

function normaliseGroup(group: Group, options: SpectralNormOptions): readonly Tensor[] {
  const { update, epsilon = 1e-12 } = options;
  const { weights, layers, weight, u, v } = group;
  const { gpu } = weights[0].weight;
  const outputs = weights.map((entry) => emptyTensor(gpu, entry.weight.shape));
  const kept = [
    emptyTensor(gpu, [group.rows]),
    emptyTensor(gpu, [group.columns]),
    emptyTensor(gpu, [layers.length]),
  ];
  gpu.runPlan(
    rememberedPlan(gpu, `spectral ${update} ${epsilon} ${layersKey(layers)}`, () =>
      spectralNormForward(layers, { update, epsilon }, gpu.profile),
    ),
    [weight.storage, u.storage, v.storage],
    [
      ...[...kept, ...outputs].map(({ storage }) => storage),
      ...(update ? [u.storage, v.storage] : []),
    ],
  );
  const inputs = weights.map((entry) => entry.weight);
  return attachAll(outputs, 'spectral_normalize', inputs, (cotangents, wanted) => {
    const asked = layers.flatMap((layer, k) => {
      const cotangent = wanted[k] ? cotangents[k] : undefined;
      return cotangent ? [{ layer, cotangent, weight: inputs[k] }] : [];
    });
    let gradients: ReadonlyMap<Tensor, Tensor> | undefined;
    return inputs.map((input, k) => {
      if (!cotangents[k]) return undefined;
      return (target) => {
        gradients ??= gradientsOf(asked, target, weight, kept);
        return gradients.get(input) as Tensor;
      };
    });
  });
}

function layersKey(layers: readonly SpectralNormLayer[]): string {
  return JSON.stringify(layers);
}

interface Asked {
  readonly layer: SpectralNormLayer;
  readonly cotangent: Tensor;
  readonly weight: Tensor;
}

/**
 * The gradients of all weights that are asked for: in the parameters' slots; that of a weight on its own,
 * in `target` if there is one.
 * @param kept u, v and σ of the forward
 */
function gradientsOf(
  asked: readonly Asked[],
  target: GradientSlot | undefined,
  weights: StorageSpan,
  kept: readonly Tensor[],
): ReadonlyMap<Tensor, Tensor> {
  const places = asked.map(
    ({ weight }): GradientSlot =>
      slotOf(weight) ?? target ?? { tensor: emptyTensor(weight.gpu, weight.shape), filled: false },
  );
  const span = spanOf(places.map(({ tensor }) => tensor.storage));
  if (!span) throw new ShapeError('spectralNormalize: gradients do not lie in one arena');
  const layers = asked.map(({ layer }, k) => ({
    ...layer,
    gradientStart: span.starts[k],
    accumulate: places[k].filled,
  }));
  const { gpu } = kept[0];
  gpu.runPlan(
    rememberedPlan(gpu, `spectral gradient ${layersKey(layers)}`, () =>
      spectralNormBackward(layers, gpu.profile),
    ),
    [weights.storage, ...[...kept, ...asked.map((one) => one.cotangent)].map((t) => t.storage)],
    [span.storage],
  );
  return new Map(asked.map(({ weight }, k) => [weight, places[k].tensor]));
}

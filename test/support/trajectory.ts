/**
 * The proposed method run along a trajectory that PyTorch went in f64 and in f32 (`trajectory.py`):
 * same initial weights, same batches.
 */
import { tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { PROPOSED_DEFAULTS, ProposedMethod } from '../../src/methods/proposed.ts';
import { readState, type Tensorlike, writeState } from '../../src/nn/network.ts';
import type { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import { defaultRangeTensors, type FormulaEntry } from '../fixtures/pytorch/formula.ts';
import type { Deviation } from './deviation.ts';
import { FixtureTensors, readFixture } from './pytorch-fixtures.ts';

/** Scalars of one step by PyTorch's names. */
export type Losses = Readonly<Record<string, number>>;

/** Witnesses of a tensor that is too big to store. */
export interface Probe {
  /** Every so manyth element is stored. */
  readonly stride: number;
  readonly norm: number;
  /** Dot products with the formula's signed directions of the keys 1, 2, … */
  readonly projections: readonly number[];
}

/** One configuration of `trajectory.json`. */
export interface Variant {
  readonly options: {
    readonly ngf: number;
    readonly ndf: number;
    readonly levels: number;
    readonly perceptual: 'squeeze' | null;
    readonly perceptual_weight?: number;
    readonly dropout: number;
    readonly lr: number;
  };
  readonly steps: number;
  /** Biases in front of instance norm: their true gradient is 0. */
  readonly zero_gradient: readonly string[];
  /** Of PyTorch in f64. */
  readonly losses: readonly Losses[];
  /** Runs of PyTorch in f32 that round differently; all deviations are relative to f64. */
  readonly float32_engines: readonly {
    readonly name: string;
    /** By step, over all losses. */
    readonly worst_loss_deviation: readonly number[];
    /** Of step 1, over all tensors: ‖a - b‖ / ‖b‖. */
    readonly worst_gradient_deviation: number;
    /** By network: ‖(w - w₀) - (w₆₄ - w₀)‖ / ‖w₆₄ - w₀‖ after the last step. */
    readonly final_update_deviation: Readonly<Record<string, number>>;
  }[];
  /** Of the first of these engines, after the first step. */
  readonly gradient_deviation: Readonly<Record<string, Deviation>>;
  /** Tensors that follow from keys instead of being stored. */
  readonly weights?: readonly FormulaEntry[];
  readonly probes?: Readonly<Record<'gradients' | 'final', Readonly<Record<string, Probe>>>>;
}

interface Document {
  readonly batch: number;
  readonly size: number;
  readonly variants: Readonly<Record<string, Variant>>;
}

/** Our names of the losses for PyTorch's. */
const LOSS_NAMES: Readonly<Record<string, string>> = {
  G: 'G_total',
  G_adversarial_H: 'adversarial_H',
  G_adversarial_L: 'adversarial_L',
  G_cycle_H: 'cycle_H',
  G_cycle_L: 'cycle_L',
  G_l1_H: 'paired_H',
  G_l1_L: 'paired_L',
  G_perceptual_H: 'perceptual_H',
  G_perceptual_L: 'perceptual_L',
  D: 'D_total',
  D_real_H: 'D_real_H',
  D_fake_H: 'D_fake_H',
  D_real_L: 'D_real_L',
  D_fake_L: 'D_fake_L',
  label_H: 'target_H',
  label_L: 'target_L',
};

/** What our engine computed; tensors by PyTorch's prefixed names. */
export interface Trajectory {
  readonly losses: readonly Losses[];
  readonly initial: ReadonlyMap<string, Float32Array>;
  /** After the first step. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly final: ReadonlyMap<string, Float32Array>;
}

export const document = readFixture<Document>('trajectory.json');
const stored = new FixtureTensors('trajectory-initial.safetensors');

/** Initial values of all tensors of a variant. */
function initialValues({ weights }: Variant): Map<string, Float32Array> {
  if (weights) return defaultRangeTensors(weights);
  const names = stored.names.filter((name) => !name.startsWith('batches.'));
  return new Map(names.map((name) => [name, stored.floats(name)]));
}

/** Puts values into every network and checks that none is left over. */
async function load(
  method: ProposedMethod,
  values: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  let used = 0;
  for (const [prefix, network] of method.networks) {
    const state = new Map<string, Tensorlike>();
    for (const [name, { shape }] of await readState(network)) {
      const data = values.get(prefix + name);
      if (!data) throw new Error(`trajectory fixture: no tensor ${prefix}${name}`);
      state.set(name, { shape, data });
      used++;
    }
    writeState(network, state, 'trajectory fixture');
  }
  if (used !== values.size) throw new Error(`${values.size - used} tensors belong to no network`);
}

/** One domain's images of a step on the device: byte / 127.5 - 1. */
function images(gpu: Gpu, domain: 'low' | 'high', step: number) {
  const { batch, size } = document;
  const count = batch * size * size;
  const bytes = stored.bytes(`batches.${domain}`).subarray(step * count, (step + 1) * count);
  const data = Float32Array.from(bytes, (byte) => byte / 127.5 - 1);
  return tensorFrom(gpu, data, [batch, 1, size, size]);
}

async function collect(
  method: ProposedMethod,
  read: (prefix: string) => Promise<Iterable<readonly [string, Float32Array]>>,
): Promise<Map<string, Float32Array>> {
  const result = new Map<string, Float32Array>();
  for (const prefix of method.networks.keys()) {
    for (const [name, data] of await read(prefix)) result.set(prefix + name, data);
  }
  return result;
}

/** Trains a variant on the device. */
export async function follow(
  gpu: Gpu,
  variant: Variant,
  perceptual?: PerceptualDistance,
): Promise<Trajectory> {
  const { ngf, ndf, levels, lr, dropout, perceptual_weight } = variant.options;
  const method = new ProposedMethod(
    gpu,
    {
      ...PROPOSED_DEFAULTS,
      ngf,
      ndf,
      levels,
      dropout,
      lambdaPerceptual: perceptual_weight ?? PROPOSED_DEFAULTS.lambdaPerceptual,
    },
    perceptual,
  );
  const network = (prefix: string) => {
    const found = method.networks.get(prefix);
    if (!found) throw new Error(`no network ${prefix}`);
    return found;
  };
  const initial = initialValues(variant);
  await load(method, initial);
  const losses: Losses[] = [];
  let gradients: Trajectory['gradients'] = new Map();
  for (let step = 0; step < variant.steps; step++) {
    const terms = gpu.scope(() => {
      const batch = { low: images(gpu, 'low', step), high: images(gpu, 'high', step) };
      return method.trainStep(batch, { step, learningRate: lr });
    });
    const values: Record<string, number> = {};
    for (const [index, term] of terms.entries()) {
      [values[LOSS_NAMES[method.lossNames[index]]]] = await term.read();
      term.dispose();
    }
    losses.push(values);
    // Adam leaves the gradients of its step in place.
    if (step === 0) {
      gradients = await collect(method, (prefix) => network(prefix).parameters.readGradients());
    }
  }
  const final = await collect(method, async (prefix) =>
    [...(await readState(network(prefix)))].map(([name, { data }]) => [name, data] as const),
  );
  method.dispose();
  return { losses, initial, gradients, final };
}

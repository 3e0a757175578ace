/** Ten training steps of a method against PyTorch's in f64 (`methods.py`, `mspgan.py`). */
import * as assert from 'uvu/assert';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Method } from '../../src/methods/method.ts';
import { readState, type Tensorlike, writeState } from '../../src/nn/network.ts';
import { defaultRangeTensors, type FormulaEntry } from '../fixtures/pytorch/formula.ts';
import type { NetworkEntry } from './network-case.ts';
import { FixtureTensors, readFixture } from './pytorch-fixtures.ts';

export interface MethodTrajectory {
  readonly name: string;
  readonly options: Readonly<Record<string, number | string>>;
  /** Its batches are `<batches>.low` and `<batches>.high`, bytes `[steps,batch,1,H,W]`. */
  readonly batches: string;
  readonly weights: readonly FormulaEntry[];
  /** Biases in front of instance norm: their true gradient is 0, and Adam follows its rounding. */
  readonly zero_gradient: readonly string[];
  /** By step, of PyTorch in f64. */
  readonly losses: readonly Readonly<Record<string, number>>[];
  /** Runs of PyTorch in f32: worst relative deviation of the losses by step, of updates by network. */
  readonly float32_engines: readonly {
    readonly losses: readonly number[];
    readonly updates: Readonly<Record<string, number>>;
  }[];
  /** Evenly strided elements of every tensor after the last step. */
  readonly final: Readonly<Record<string, string>>;
  /** How often a pool returned an earlier image. */
  readonly pool_swaps?: Readonly<Record<string, number>>;
}

/** Networks and trajectories of one script, `NAME.json`, and their tensors. */
export class MethodFixtures {
  readonly networks: readonly NetworkEntry[];
  readonly tensors: FixtureTensors;
  private readonly name: string;
  private readonly trajectories: readonly MethodTrajectory[];

  constructor(name: string) {
    const { networks, trajectories } = readFixture<{
      networks: NetworkEntry[];
      trajectories: MethodTrajectory[];
    }>(`${name}.json`);
    this.name = name;
    this.networks = networks;
    this.trajectories = trajectories;
    this.tensors = new FixtureTensors(`${name}.safetensors`);
  }

  trajectory(name: string): MethodTrajectory {
    const found = this.trajectories.find((trajectory) => trajectory.name === name);
    if (!found) throw new Error(`${this.name}.json has no trajectory ${name}`);
    return found;
  }
}

const methods = new MethodFixtures('methods');
export const methodFixtures = { networks: methods.networks };
export const methodTensors = methods.tensors;

export function trajectoryOf(name: string): MethodTrajectory {
  return methods.trajectory(name);
}

/** Learning rate of `reference_methods.py`. */
const LEARNING_RATE = 2e-4;

/** Losses may be off by 1e-5, or by so much more than PyTorch's own f32 runs. */
const LOSSES = { multiple: 4, floor: 1e-5 };
/** Likewise the way that each network's weights went. */
const UPDATES = { multiple: 4, floor: 3e-4 };

/** Runs the method along a trajectory: every loss of every step, then every network's update. */
export async function follow(
  gpu: Gpu,
  method: Method,
  { batches, weights, zero_gradient, losses, float32_engines, final }: MethodTrajectory,
  tensors = methodTensors,
): Promise<void> {
  const initial = await load(method, defaultRangeTensors(weights));
  const [steps, batch, , height, width] = tensors.shape(`${batches}.low`);
  assert.is(steps, 10);
  assert.is(losses.length, steps);
  const pixels = batch * height * width;
  const valuesOf = (domain: 'low' | 'high', step: number) => {
    const bytes = tensors.bytes(`${batches}.${domain}`);
    const values = bytes.subarray(step * pixels, (step + 1) * pixels);
    return Float32Array.from(values, (byte) => byte / 127.5 - 1);
  };
  const images = (domain: 'low' | 'high', step: number) =>
    tensorFrom(gpu, valuesOf(domain, step), [batch, 1, height, width]);
  let allowed = LOSSES.floor;
  for (const [step, expected] of losses.entries()) {
    const found = gpu.scope(() =>
      method.trainStep(
        {
          low: images('low', step),
          high: images('high', step),
          hostLow: valuesOf('low', step),
        },
        { step, learningRate: LEARNING_RATE },
      ),
    );
    for (const engine of float32_engines) {
      allowed = Math.max(allowed, LOSSES.multiple * engine.losses[step]);
    }
    assert.equal([...method.lossNames].sort(), Object.keys(expected).sort());
    for (const [index, name] of method.lossNames.entries()) {
      const [value] = await found[index].read();
      const measured = Math.abs(value / expected[name] - 1);
      show(`step ${step + 1} ${name}`, measured, allowed);
      assert.ok(
        measured <= allowed,
        `step ${step + 1} ${name}: found ${value}, expected ${expected[name]}, allowed ${allowed}`,
      );
    }
  }

  for (const [prefix, network] of method.networks) {
    let squares = 0;
    let total = 0;
    for (const [name, { data }] of await readState(network)) {
      const full = prefix + name;
      if (zero_gradient.includes(full)) continue;
      const expected = tensors.floats(final[full]);
      const before = initial.get(full);
      assert.ok(before, full);
      const stride = Math.max(1, Math.ceil(data.length / 64));
      expected.forEach((value, i) => {
        squares += (data[i * stride] - value) ** 2;
        total += (value - (before?.[i * stride] ?? 0)) ** 2;
      });
    }
    const engines = float32_engines.map(({ updates }) => updates[prefix.replace('.', '')]);
    const bound = Math.max(UPDATES.floor, UPDATES.multiple * Math.max(...engines));
    const measured = Math.sqrt(squares / total);
    show(`update of ${prefix}`, measured, bound);
    assert.ok(measured <= bound, `update of ${prefix}: deviation ${measured}, allowed ${bound}`);
  }
}

function show(what: string, measured: number, bound: number): void {
  if (process.env.SONOLIFT_SHOW_DEVIATIONS) {
    console.log(`${what}: ${measured.toExponential(2)} ≤ ${bound.toExponential(2)}`);
  }
}

/** Puts initial values into every network; running statistics keep theirs. Returns all of them. */
async function load(
  method: Method,
  values: ReadonlyMap<string, Float32Array>,
): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const [prefix, network] of method.networks) {
    const state = new Map<string, Tensorlike>();
    for (const [name, { shape, data }] of await readState(network)) {
      const value = values.get(prefix + name) ?? (name.includes('running_') ? data : undefined);
      if (!value) throw new Error(`methods.json gives no ${prefix}${name}`);
      state.set(name, { shape, data: value });
      all.set(prefix + name, value);
    }
    writeState(network, state, prefix);
  }
  for (const name of values.keys()) assert.ok(all.has(name), `${name} is a tensor of the method`);
  return all;
}

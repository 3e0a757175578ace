/** One network of a fixture against PyTorch: output, all gradients, and the state left behind. */
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import {
  type ForwardContext,
  type Network,
  type Tensorlike,
  writeState,
} from '../../src/nn/network.ts';
import { type FormulaEntry, formulaTensor } from '../fixtures/pytorch/formula.ts';
import { assertDeviation, type Deviation, largest, type Rule } from './deviation.ts';
import type { FixtureTensors } from './pytorch-fixtures.ts';

/** An entry that `add_network` of networks.py wrote. */
export interface NetworkEntry {
  readonly name: string;
  readonly network: string;
  readonly attributes: Readonly<Record<string, number | boolean | string>>;
  readonly weights: readonly FormulaEntry[];
  readonly input: string;
  readonly output: string;
  readonly cotangent: string;
  readonly grad_input: string;
  readonly gradients: Readonly<Record<string, string>>;
  readonly zero_gradient: readonly string[];
  readonly buffers_after: Readonly<Record<string, string>>;
  readonly float32_deviation: {
    readonly output: Deviation;
    readonly grad_input: Deviation;
    readonly gradients: Readonly<Record<string, Deviation>>;
  };
}

/** The floor is what Winograd's filtering of 4×4 kernels may round by, where an adapter prefers it. */
const RULE: Rule = { multiple: 8, floor: 1e-5 };

/**
 * Biases in front of instance norm have the gradient 0, which f32 misses by rounding: at most this
 * part of the largest weight gradient of their layer.
 */
const ZERO = 5e-6;

/** Half a unit in the last place of 1. */
const ROUNDING = 2 ** -24;

const TRAINING: ForwardContext = { training: true, seed: 0, step: 0, pass: 0 };

export type Forwarding = Network & { forward(x: Tensor, context: ForwardContext): Tensor };

/** Gives the network the entry's weights, runs it both ways, and compares everything. */
export async function checkNetwork(
  gpu: Gpu,
  network: Forwarding,
  entry: NetworkEntry,
  tensors: FixtureTensors,
): Promise<void> {
  const state = new Map<string, Tensorlike>();
  for (const weight of entry.weights) {
    state.set(weight.name, { shape: weight.shape, data: formulaTensor(weight) });
  }
  writeState(network, state, entry.name);
  const load = (name: string): Tensor => tensorFrom(gpu, tensors.floats(name), tensors.shape(name));
  const x = load(entry.input);
  x.requiresGrad = true;
  const output = network.forward(x, TRAINING);
  assert.equal(output.shape, tensors.shape(entry.output));
  const wrt = [x, ...network.parameters.all()];
  const gradX = backward(output, wrt, load(entry.cotangent)).get(x);
  assert.ok(gradX, 'the input has a gradient');

  const compare = (what: string, found: Float32Array, name: string, float32: Deviation): void =>
    assertDeviation(`${entry.name} ${what}`, found, tensors.floats(name), float32, RULE);
  const float32 = entry.float32_deviation;
  compare('output', await output.read(), entry.output, float32.output);
  if (gradX) compare('input gradient', await gradX.read(), entry.grad_input, float32.grad_input);

  const gradients = await network.parameters.readGradients();
  const magnitudes = tensors
    .floats(entry.cotangent)
    .reduce((sum, value) => sum + Math.abs(value), 0);
  assert.equal([...gradients.keys()].sort(), Object.keys(entry.gradients).sort());
  for (const [name, gradient] of gradients) {
    if (entry.zero_gradient.includes(name)) {
      const weight = gradients.get(name.replace(/bias$/, 'weight')) ?? [];
      const part = largest(gradient) / largest(weight);
      assert.ok(part <= ZERO, `${entry.name} ${name}: ${part} of the weight gradient`);
      continue;
    }
    const deviation = float32.gradients[name];
    // The bias of one output channel sums the cotangents of all pixels, which nearly cancel: what is
    // rounded before may be off by so much of the sum, which is no measure of it.
    const cancelled = gradient.length === 1 ? (ROUNDING * magnitudes) / Math.abs(gradient[0]) : 0;
    compare(`gradient of ${name}`, gradient, entry.gradients[name], {
      max: Math.max(deviation.max, cancelled / RULE.multiple),
      norm: Math.max(deviation.norm, cancelled / RULE.multiple),
    });
  }

  assert.equal([...network.buffers.keys()].sort(), Object.keys(entry.buffers_after).sort());
  for (const [name, buffer] of network.buffers) {
    compare(name, await buffer.read(), entry.buffers_after[name], { max: 0, norm: 0 });
  }
}

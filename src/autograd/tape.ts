import type { Activation } from '../../kernels/activation.ts';
import type { Backward, GraphNode } from './graph.ts';
import type { Tensor } from './tensor.ts';

let nextNodeId = 1;
let recording = true;

/** Runs `body` without recording history: results never require gradients. */
export function noGrad<T>(body: () => T): T {
  const before = recording;
  recording = false;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/**
 * Attaches history to an op's result if any input asks for gradients.
 * @param activation f, if the op is y = f(z) and its `backward` minds `gated`
 */
export function attach(
  output: Tensor,
  op: string,
  inputs: readonly Tensor[],
  backward: Backward,
  activation?: Activation,
): Tensor {
  const ofOne: GraphNode['backward'] = ([cotangent], wanted, gated) =>
    cotangent ? backward(cotangent, wanted, gated) : [];
  return attachAll([output], op, inputs, ofOne, activation)[0];
}

/**
 * The same for an op with several outputs, whose backward runs once, when all their cotangents are
 * complete. Where it gives `undefined` for an input, nothing that the input acts on had a cotangent.
 */
export function attachAll(
  outputs: readonly Tensor[],
  op: string,
  inputs: readonly Tensor[],
  backward: GraphNode['backward'],
  activation?: Activation,
): readonly Tensor[] {
  if (recording && inputs.some((input) => input.requiresGrad)) {
    const node = { op, id: nextNodeId++, inputs, outputs, activation, backward };
    for (const output of outputs) {
      output.requiresGrad = true;
      output.node = node;
    }
  }
  return outputs;
}

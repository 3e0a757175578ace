import { ELEMENT_BYTES } from '../../kernels/element-types.ts';
import { elementwiseBinary } from '../../kernels/elementwise.ts';
import { ShapeError } from '../errors.ts';
import type { Gate, GradientThunk, GraphNode } from './graph.ts';
import { TRAINING_KERNELS } from './ops/training-kernels.ts';
import type { Parameter } from './parameter.ts';
import { emptyLike, formatShape, runKernel, sameShape, type Tensor, tensorFrom } from './tensor.ts';

/**
 * Reverse-mode differentiation: ∂output/∂t for every tensor of `wrt`, weighted by `cotangent`
 * (default: ones for a scalar output). Only nodes between `wrt` and `output` are visited, and only
 * gradients that lead to `wrt` are computed; a tensor that requires no gradient gets none. Parameters collect into their gradient slot; other
 * leaves are returned.
 * @throws ShapeError if `output` is no scalar and no cotangent is given, or a gradient's shape is wrong.
 */
export function backward(
  output: Tensor,
  wrt: readonly Tensor[],
  cotangent?: Tensor,
): Map<Tensor, Tensor> {
  if (!cotangent && output.size !== 1) {
    throw new ShapeError(
      `backward from a tensor of shape ${formatShape(output.shape)} needs a cotangent`,
    );
  }
  const targets = new Set(wrt.filter((tensor) => tensor.requiresGrad));
  const { nodes, needed, uses } = findPath(output, targets);
  const gated = new Set<Tensor>();
  const cotangents = new Map<Tensor, Tensor>();
  const holders = new Map<Tensor, number>();
  const seed = cotangent ?? tensorFrom(output.gpu, [1], output.shape);
  cotangents.set(output, seed);
  holders.set(seed, 1);
  for (const { op, inputs, outputs, backward } of nodes) {
    const incoming = outputs.map((tensor) => cotangents.get(tensor));
    if (incoming.every((tensor) => !tensor)) continue;
    for (const tensor of outputs) if (!targets.has(tensor)) cotangents.delete(tensor);
    const wanted = inputs.map((input) => needed.has(input));
    const thunks = backward(incoming, wanted, gated.has(outputs[0]));
    inputs.forEach((input, index) => {
      if (!wanted[index]) return;
      const thunk = thunks[index];
      const repeated = inputs.indexOf(input) < index;
      const gate = uses.get(input) === 1 && !targets.has(input) ? gateOf(input) : undefined;
      if (thunk) collect({ cotangents, holders }, input, thunk, { op, repeated, gate });
      else if (outputs.length === 1) {
        throw new ShapeError(`${op} has no gradient for its input ${index}`);
      }
      if (gate?.applied) gated.add(input);
    });
  }
  const result = new Map<Tensor, Tensor>();
  for (const tensor of wrt) {
    const gradient = cotangents.get(tensor);
    if (gradient) result.set(tensor, gradient);
  }
  return result;
}

interface Collection {
  readonly cotangents: Map<Tensor, Tensor>;
  /**
   * How many tensors a cotangent was given to: an op may pass its own on, and to several inputs (`add`
   * does). Only one that has a single holder may be added to in place.
   */
  readonly holders: Map<Tensor, number>;
}

interface Contribution {
  readonly op: string;
  /**
   * Whether the op has the input twice: its gradients may be one tensor then, which cannot be added to
   * itself in place.
   */
  readonly repeated: boolean;
  readonly gate: Gate | undefined;
}

function gateOf(output: Tensor): Gate | undefined {
  const activation = output.node?.activation;
  if (!activation || activation.kind === 'none') return undefined;
  return { activation, output, applied: false };
}

function collect(
  { cotangents, holders }: Collection,
  input: Tensor,
  thunk: GradientThunk,
  { op, repeated, gate }: Contribution,
): void {
  const slot = (input as Partial<Parameter>).gradient;
  if (slot) {
    const gradient = thunk(slot, undefined, TRAINING_KERNELS);
    assertShape(gradient, input, op);
    if (gradient !== slot.tensor) {
      if (slot.filled) accumulateInto(slot.tensor, gradient);
      else {
        const bytes = gradient.size * ELEMENT_BYTES[gradient.elementType];
        input.gpu.copy(gradient.storage, slot.tensor.storage, bytes);
      }
    }
    slot.filled = true;
    return;
  }
  const before = cotangents.get(input);
  if (before && !repeated && holders.get(before) === 1) {
    const gradient = thunk({ tensor: before, filled: true }, undefined, TRAINING_KERNELS);
    assertShape(gradient, input, op);
    if (gradient !== before) accumulateInto(before, gradient);
    return;
  }
  const gradient = thunk(undefined, gate, TRAINING_KERNELS);
  assertShape(gradient, input, op);
  let total = gradient;
  if (before) {
    total = emptyLike(input);
    runKernel(elementwiseBinary('add', input.size, input.gpu.profile), [before, gradient, total]);
  }
  cotangents.set(input, total);
  holders.set(total, (holders.get(total) ?? 0) + 1);
}

function accumulateInto(target: Tensor, gradient: Tensor): void {
  runKernel(elementwiseBinary('accumulate', target.size, target.gpu.profile), [gradient, target]);
}

function assertShape(gradient: Tensor, input: Tensor, op: string): void {
  if (!sameShape(gradient.shape, input.shape)) {
    throw new ShapeError(
      `${op} returned a gradient of shape ${formatShape(gradient.shape)} for an input of shape ${formatShape(input.shape)}`,
    );
  }
  if (gradient.elementType !== input.elementType) {
    throw new ShapeError(
      `${op} returned a gradient in ${gradient.elementType} for an input in ${input.elementType}`,
    );
  }
}

/** Ops on a path from `targets` to `output`, latest first, the tensors on it, and how many inputs each is. */
function findPath(
  output: Tensor,
  targets: ReadonlySet<Tensor>,
): { nodes: GraphNode[]; needed: Set<Tensor>; uses: Map<Tensor, number> } {
  const reachable = new Set<GraphNode>();
  const seen = new Set<Tensor>();
  const stack = [output];
  while (stack.length) {
    const tensor = stack.pop();
    if (!tensor || seen.has(tensor)) continue;
    seen.add(tensor);
    if (tensor.node) {
      reachable.add(tensor.node);
      stack.push(...tensor.node.inputs);
    }
  }
  const inOrder = [...reachable].sort((a, b) => a.id - b.id);
  const needed = new Set<Tensor>();
  for (const tensor of seen) if (targets.has(tensor)) needed.add(tensor);
  const nodes: GraphNode[] = [];
  // The result itself is used by whoever asked for its gradients.
  const uses = new Map([[output, 1]]);
  for (const node of inOrder) {
    if (!node.inputs.some((input) => needed.has(input))) continue;
    for (const input of node.inputs) uses.set(input, (uses.get(input) ?? 0) + 1);
    for (const output of node.outputs) needed.add(output);
    nodes.push(node);
  }
  return { nodes: nodes.reverse(), needed, uses };
}

/**
 * Whether a trajectory is as near to PyTorch's f64 run as f32 allows.
 *
 * How far f32 engines may part is taken from `float32_engines`: nine f32 runs of PyTorch that round
 * differently (other convolution kernels, batch order, tiny noise). Training amplifies rounding, and
 * what a single engine reaches at a step is chance, so
 *
 * - a loss at step k may be off by LOSSES.multiple times the worst of the nine up to step k;
 * - a network's update over all steps by UPDATES.multiple times the worst of the nine;
 * - a gradient of step 1 by GRADIENTS.multiple times what plain f32 is, since only that one is stored by
 *   tensor, or by KINK times the worst tensor of the nine: one value of the discriminator or the trunk
 *   that lies at a kink and is decided differently changes whichever gradients it feeds, of any tensor;
 *
 * but each at least by its floor: a sum of few terms may be exact in PyTorch by luck. Biases in front
 * of instance norm have the gradient 0, and Adam turns their rounding noise into full steps that
 * nothing else sees: they are left out.
 */
import * as assert from 'uvu/assert';
import { signed } from '../fixtures/pytorch/formula.ts';
import { deviation, largest, norm, type Rule } from './deviation.ts';
import { FixtureTensors } from './pytorch-fixtures.ts';
import type { Trajectory, Variant } from './trajectory.ts';

const LOSSES: Rule = { multiple: 4, floor: 1e-5 };
const UPDATES: Rule = { multiple: 4, floor: 1e-3 };
const GRADIENTS: Rule = { multiple: 8, floor: 1e-5 };
const KINK = 4;

/** Gradients that are truly 0 may reach this part of their layer's largest weight gradient. */
const ZERO = 1e-5;

/** A dot product with directions in [-1, 1): three deviations of ‖error‖/√3, rounded up. */
const PROJECTION = 2;

const show = (text: string): void => {
  if (process.env.SONOLIFT_SHOW_DEVIATIONS) console.log(text);
};

function assertBelow(what: string, measured: number, bound: number): void {
  show(`${what}: ${measured.toExponential(2)} ≤ ${bound.toExponential(2)}`);
  assert.ok(
    measured <= bound,
    `${what}: deviation ${measured.toExponential(2)}, allowed ${bound.toExponential(2)}`,
  );
}

function get(tensors: ReadonlyMap<string, Float32Array>, name: string): Float32Array {
  const found = tensors.get(name);
  assert.ok(found, `there is a tensor ${name}`);
  return found as Float32Array;
}

/** Every loss of every step. */
export function assertLosses(found: Trajectory, variant: Variant): void {
  assert.is(found.losses.length, variant.steps);
  const names = Object.keys(variant.losses[0]).filter((name) => !name.startsWith('mean_'));
  let allowed = LOSSES.floor;
  variant.losses.forEach((expected, step) => {
    for (const { worst_loss_deviation } of variant.float32_engines) {
      allowed = Math.max(allowed, LOSSES.multiple * worst_loss_deviation[step]);
    }
    let worst = 0;
    for (const name of names) {
      const measured = Math.abs(found.losses[step][name] / expected[name] - 1);
      worst = Math.max(worst, measured);
      assert.ok(
        measured <= allowed,
        `step ${step + 1} ${name}: found ${found.losses[step][name]}, expected ${expected[name]}, relative deviation ${measured.toExponential(2)}, allowed ${allowed.toExponential(2)}`,
      );
    }
    show(`step ${step + 1} losses: ${worst.toExponential(2)} ≤ ${allowed.toExponential(2)}`);
  });
}

/** All gradients of the first step, whole or by their probes in `variantName`. */
export function assertGradients(found: Trajectory, variant: Variant, variantName: string): void {
  const stored = new FixtureTensors(
    variant.probes ? 'trajectory-probes.safetensors' : 'trajectory-gradients.safetensors',
  );
  const worst = Math.max(...variant.float32_engines.map((one) => one.worst_gradient_deviation));
  for (const [name, float32] of Object.entries(variant.gradient_deviation)) {
    const gradient = get(found.gradients, name);
    const bound = Math.max(GRADIENTS.floor, GRADIENTS.multiple * float32.norm, KINK * worst);
    const probe = variant.probes?.gradients[name];
    if (!probe) {
      assertBelow(`gradient of ${name}`, deviation(gradient, stored.floats(name)).norm, bound);
      continue;
    }
    const elements = stored.floats(`${variantName}.gradients.${name}`);
    const error = elements.map((value, i) => gradient[i * probe.stride] - value);
    assertBelow(`elements of gradient of ${name}`, norm(error) / probe.norm, bound);
    assertBelow(`norm of gradient of ${name}`, Math.abs(norm(gradient) / probe.norm - 1), bound);
    probe.projections.forEach((expected, index) => {
      const direction = signed(index + 1, gradient.length);
      const projection = gradient.reduce((sum, value, i) => sum + value * direction[i], 0);
      assertBelow(
        `projection ${index + 1} of gradient of ${name}`,
        Math.abs(projection - expected) / probe.norm,
        PROJECTION * bound,
      );
    });
  }
  for (const name of variant.zero_gradient) {
    const weight = get(found.gradients, name.replace(/bias$/, 'weight'));
    assertBelow(`${name}, truly 0`, largest(get(found.gradients, name)) / largest(weight), ZERO);
  }
}

/** Each network's learned weights after the last step: how far off is the way they went. */
export function assertUpdates(found: Trajectory, variant: Variant, variantName: string): void {
  const stored = new FixtureTensors(
    variant.probes ? 'trajectory-probes.safetensors' : 'trajectory-final.safetensors',
  );
  for (const network of ['G_H', 'G_L', 'D_H', 'D_L']) {
    let squares = 0;
    let total = 0;
    for (const [name, weights] of found.final) {
      const isLearned = !variant.zero_gradient.includes(name) && !/weight_[uv]$/.test(name);
      if (!name.startsWith(network) || !isLearned) continue;
      const stride = variant.probes?.final[name].stride ?? 1;
      const initial = get(found.initial, name);
      const expected = stored.floats(variant.probes ? `${variantName}.final.${name}` : name);
      expected.forEach((value, i) => {
        squares += (weights[i * stride] - value) ** 2;
        total += (value - initial[i * stride]) ** 2;
      });
    }
    const engines = variant.float32_engines.map((engine) => engine.final_update_deviation[network]);
    const bound = Math.max(UPDATES.floor, UPDATES.multiple * Math.max(...engines));
    assertBelow(`update of ${network}`, Math.sqrt(squares / total), bound);
  }
}

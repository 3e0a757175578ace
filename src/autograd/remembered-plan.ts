import type { Plan } from '../../kernels/kernel.ts';
import type { KernelChoices } from '../gpu/choices.ts';
import type { Gpu } from '../gpu/gpu.ts';

interface RememberedPlans {
  readonly choices: KernelChoices;
  readonly byKey: Map<string, Plan>;
}

const plans = new WeakMap<Gpu, RememberedPlans>();

/**
 * What `make` gives, made once for each device and key: a training step asks for the same few dozen plans
 * every time. They hold for the choices of kernels under which they were made.
 */
export function rememberedPlan(gpu: Gpu, key: string, make: () => Plan): Plan {
  let known = plans.get(gpu);
  if (known?.choices !== gpu.choices) {
    known = { choices: gpu.choices, byKey: new Map() };
    plans.set(gpu, known);
  }
  let plan = known.byKey.get(key);
  if (!plan) {
    plan = make();
    known.byKey.set(key, plan);
  }
  return plan;
}

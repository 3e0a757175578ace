/** The table of generators, for pages and programs that enhance. */
import { onDemand } from '../on-demand.ts';
import type { ArchitectureReader } from './architecture-reader.ts';
import { pix2pixPlan, proposedPlan, resnetPlan, stableCycleGanPlan } from './generator-plans.ts';
import type { GeneratorPlan } from './method-kind.ts';

/** Reads what a checkpoint says of a generator. */
export type PlanReader = (architecture: ArchitectureReader) => GeneratorPlan;

/**
 * Every method's generator, by the method's name in checkpoints. What is large and rare is fetched when a
 * checkpoint asks for it, so that a page does not carry it otherwise.
 */
export const GENERATORS: ReadonlyMap<string, () => Promise<PlanReader>> = new Map([
  ['proposed', async () => proposedPlan],
  ['pix2pix', async () => pix2pixPlan],
  ['cyclegan', async () => resnetPlan],
  ['reggan', async () => resnetPlan],
  ['stable-cyclegan', async () => stableCycleGanPlan],
  [
    'mspgan',
    async () =>
      (await onDemand('the generator of MSPGAN', () => import('./mspgan-plan.ts'))).mspganPlan,
  ],
]);

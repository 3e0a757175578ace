import type { Plan } from '../../kernels/kernel.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Storage } from '../../src/gpu/storage.ts';
import { copiedVectors, copyVectors, type Moves } from '../measure/copy.ts';
import type { Peak } from '../measure/peak.ts';
import { repeatInTurn, type Timing } from '../measure/repeat.ts';
import { type Roof, roofOf } from '../measure/roof.ts';
import type { Stopwatch } from '../measure/stopwatch.ts';
import type { Comparison, KernelCase, PreparedCase } from './kernel-case.ts';

export interface CaseResult {
  readonly name: string;
  readonly family: string;
  readonly shape: string;
  readonly milliseconds: number;
  /** Interquartile range over the median. */
  readonly spread: number;
  readonly wallMilliseconds: number;
  readonly repeats: number;
  readonly dispatches: number;
  /** Of the direct algorithm; where operations are counted. */
  readonly gigaflops?: number;
  /** Every array moved once. */
  readonly gigabytes: number;
  /** Milliseconds of the multiply-adds or of the accesses at their measured peaks, or of a copy of as many bytes; and which of them. */
  readonly roof: Roof;
  /** The roof's time over the measured one. More than 1 where a kernel computes less than the direct algorithm. */
  readonly share: number;
  /** Rate at which all passes move their bytes, over that of a copy timed in turn; where they are counted. */
  readonly copyShare?: number;
  readonly error: number;
  readonly tolerance: number;
  readonly compared: number;
  readonly correct: boolean;
}

interface Timed {
  readonly plan: Plan;
  readonly loaded: Loaded;
  readonly bytes: number;
  readonly passBytes: number | undefined;
  /** By the peaks measured before. */
  readonly roof: Roof;
  readonly moves: Moves;
}

/** Storages of a case on a device. */
interface Loaded {
  readonly inputs: readonly Storage[];
  readonly outputs: readonly Storage[];
}

/**
 * Outputs are full of NaN before the checked run: a dispatch that the driver rejects leaves them so,
 * and what the kernel forgets to write is noticed as well.
 */
function load(gpu: Gpu, { inputs, outputs, shared = [], constant = [] }: PreparedCase): Loaded {
  const written = outputs.map((output) =>
    gpu.upload(typeof output === 'number' ? new Float32Array(output).fill(Number.NaN) : output),
  );
  const read = inputs.map((data) => gpu.upload(data));
  for (const index of constant) read[index].constant = true;
  return {
    inputs: [...read, ...shared.map((index) => written[index])],
    outputs: written,
  };
}

async function check(gpu: Gpu, prepared: PreparedCase, loaded: Loaded): Promise<Comparison> {
  const { setUp, plan, outputs } = prepared;
  if (setUp) gpu.runPlan(setUp, loaded.inputs, loaded.outputs);
  gpu.runPlan(plan, loaded.inputs, loaded.outputs);
  const found: Float32Array[] = [];
  for (const [index, output] of outputs.entries()) {
    const length = typeof output === 'number' ? output : output.length;
    found.push(new Float32Array(await gpu.read(loaded.outputs[index], length)));
  }
  return prepared.check(found);
}

/**
 * Times a plan, and where memory limits it or its passes are to be compared with a copy, in turn with a copy of as many
 * bytes: bandwidth drifts more on a machine that others use too than kernels differ.
 */
async function time(
  gpu: Gpu,
  clock: Stopwatch,
  { plan, loaded, bytes, passBytes, roof, moves }: Timed,
): Promise<{ timing: Timing; roof: Roof; copyShare?: number }> {
  const run = (): void => gpu.runPlan(plan, loaded.inputs, loaded.outputs);
  if (roof.limit !== 'memory' && passBytes === undefined) {
    const [timing] = await repeatInTurn(gpu, clock, [run]);
    return { timing, roof };
  }
  const vectors = copiedVectors(passBytes ?? bytes, moves);
  const source = gpu.upload(new Float32Array(vectors * 4).fill(1));
  const target = gpu.allocate(vectors * 16);
  const copy = copyVectors(vectors, moves);
  const [timing, copying] = await repeatInTurn(gpu, clock, [
    run,
    () => gpu.run(copy, [source, target]),
  ]);
  gpu.dispose(source);
  gpu.dispose(target);
  const byteTime = copying.time.median / (vectors * 32);
  return {
    timing,
    roof: roof.limit === 'memory' ? { ...roof, milliseconds: byteTime * bytes } : roof,
    ...(passBytes !== undefined && { copyShare: (byteTime * passBytes) / timing.time.median }),
  };
}

/** Checks a case against the reference, then times it. @throws GpuError if its kernels do not run */
export async function runCase(
  gpu: Gpu,
  clock: Stopwatch,
  peak: Peak,
  each: KernelCase,
): Promise<CaseResult> {
  const prepared = each.prepare(gpu.profile);
  const loaded = load(gpu, prepared);
  try {
    const { error, tolerance, compared } = await check(gpu, prepared, loaded);
    const { timing, roof, copyShare } = await time(gpu, clock, {
      plan: prepared.plan,
      loaded,
      bytes: each.bytes,
      passBytes: each.passBytes,
      roof: roofOf(each, peak),
      moves: peak.moves,
    });
    const { time: repeats, wall } = timing;
    const rate = (amount: number): number => amount / repeats.median / 1e6;
    return {
      name: each.name,
      family: each.family ?? each.name.split(' ').slice(0, 2).join(' '),
      shape: each.shape,
      milliseconds: repeats.median,
      spread: repeats.spread,
      wallMilliseconds: wall,
      repeats: repeats.count,
      dispatches: prepared.plan.steps.length,
      ...(each.flops !== undefined && { gigaflops: rate(each.flops) }),
      gigabytes: rate(each.bytes),
      roof,
      share: roof.milliseconds / repeats.median,
      ...(copyShare !== undefined && { copyShare }),
      error,
      tolerance,
      compared,
      correct: error <= tolerance,
    };
  } finally {
    for (const storage of [...loaded.inputs, ...loaded.outputs]) gpu.dispose(storage);
    gpu.trim();
  }
}

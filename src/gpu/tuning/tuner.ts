import type { Plan } from '../../../kernels/kernel.ts';
import { GpuError } from '../../errors.ts';
import type { Gpu } from '../gpu.ts';
import { type Contest, differenceOf } from './contest.ts';
import { OutOfTime, Trial } from './trial.ts';
import { fastest, type Verdict } from './verdict.ts';

/** Times a piece of work, in milliseconds. */
export type Stopwatch = (work: () => Promise<void>) => Promise<number>;

export interface TunerOptions {
  /** Milliseconds after which nothing is begun any more. */
  readonly budget: number;
  /** Told of variants that are struck off, and of what was found. */
  readonly log: (line: string) => void;
  /** How runs are timed; default elapsed time. */
  readonly stopwatch?: Stopwatch;
  /** Milliseconds since whenever, for the budget; default `performance.now`. */
  readonly now?: () => number;
}

export interface Tuned {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** Classes for which there was no time; they stay with the default. */
  readonly left: readonly string[];
}

/** Samples of each variant, taken in turn, so that a busy moment does not fall on one alone. */
const ROUNDS = 3;

/** Least milliseconds of a sample, and most runs in it. */
const SAMPLE = 5;
const MOST_RUNS = 40;

/** A variant that is so many times slower after a round takes part in no other. */
const HOPELESS = 1.5;

/** Before anything is known: operations a millisecond, and milliseconds to compile a variant. */
const GUESSES = {
  cpu: { rate: 2.5e6, compile: 500 },
  gpu: { rate: 1e8, compile: 100 },
} as const;

interface Entrant {
  readonly name: string;
  readonly plan: Plan;
  least: number;
}

const wallTime: Stopwatch = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

function isLoss(error: unknown): boolean {
  return error instanceof GpuError && error.reason === 'lost';
}

/** Measures contests on a device within a budget of time. */
export class Tuner {
  private readonly gpu: Gpu;
  private readonly log: (line: string) => void;
  private readonly stopwatch: Stopwatch;
  private readonly now: () => number;
  private readonly deadline: number;
  private rate: number;
  private compileTime: number;

  constructor(gpu: Gpu, options: TunerOptions) {
    this.gpu = gpu;
    this.log = options.log;
    this.stopwatch = options.stopwatch ?? wallTime;
    this.now = options.now ?? (() => performance.now());
    this.deadline = this.now() + options.budget;
    const { rate, compile } = GUESSES[gpu.profile.kind];
    this.rate = rate;
    this.compileTime = compile;
  }

  /**
   * Measures what is worth most first. A contest that would not end in time is left, and smaller ones
   * are tried.
   * @throws GpuError if a default variant fails, or the device is lost
   */
  async run(contests: readonly Contest[]): Promise<Tuned> {
    await this.gpu.flush();
    const verdicts = new Map<string, Verdict>();
    const left: string[] = [];
    const order = [...contests].sort((a, b) => b.operations * b.uses - a.operations * a.uses);
    for (const contest of order) {
      const verdict = this.isTimeFor(contest) ? await this.judge(contest) : undefined;
      if (verdict) verdicts.set(contest.shapeClass, verdict);
      else left.push(contest.shapeClass);
    }
    // Not while someone else has commands waiting, which would go too.
    if (this.gpu.recorder.pendingCommands === 0) this.gpu.trim();
    return { verdicts, left };
  }

  /**
   * Compares one variant with the default at other sizes than those that were measured.
   * @returns what is wrong, '' for nothing, undefined if there is no time
   * @throws GpuError as `run`
   */
  async check(contest: Contest, name: string): Promise<string | undefined> {
    const [usual, ...others] = contest.variants;
    const pair = { ...contest, variants: [usual, ...others.filter((each) => each.name === name)] };
    if (!this.isTimeFor(pair)) return undefined;
    return this.onTrial(pair, async (trial) => {
      const struckOff: Record<string, string> = {};
      await this.admit(pair, trial, struckOff);
      return struckOff[name] ?? '';
    });
  }

  private isTimeFor({ variants, operations, output }: Contest): boolean {
    const run = operations / this.rate;
    const compare = output / 1e5;
    const each = this.compileTime + compare + run + (1 + ROUNDS) * Math.max(run, SAMPLE);
    return this.now() + variants.length * each < this.deadline;
  }

  private judge(contest: Contest): Promise<Verdict | undefined> {
    return this.onTrial(contest, async (trial) => {
      const struckOff: Record<string, string> = {};
      const entrants = await this.admit(contest, trial, struckOff);
      if (entrants.length > 1) await this.time(trial, entrants);
      const [usual] = entrants;
      if (entrants.length === 1) return { variant: usual.name, milliseconds: {}, struckOff };
      const milliseconds = new Map(entrants.map(({ name, least }) => [name, least]));
      this.rate = contest.operations / usual.least;
      return {
        variant: fastest(milliseconds),
        milliseconds: Object.fromEntries(milliseconds),
        struckOff,
      };
    });
  }

  /** @returns undefined if the time was over first, or the memory */
  private async onTrial<T>(
    contest: Contest,
    work: (trial: Trial) => Promise<T>,
  ): Promise<T | undefined> {
    let trial: Trial | undefined;
    try {
      trial = new Trial(this.gpu, contest);
      return await work(trial);
    } catch (error) {
      if (error instanceof OutOfTime) return undefined;
      if (!(error instanceof GpuError) || error.reason !== 'out-of-memory') throw error;
      // Inputs and outputs of a contest are more than the layer itself needs.
      this.log(`tuning: ${contest.shapeClass}: ${error.message}`);
      return undefined;
    } finally {
      trial?.dispose();
    }
  }

  /**
   * The variants that work and whose results agree with the default's, which comes first.
   * @throws GpuError if the default does not work
   */
  private async admit(
    contest: Contest,
    trial: Trial,
    struckOff: Record<string, string>,
  ): Promise<Entrant[]> {
    const { shapeClass, tolerance } = contest;
    const [usual, ...others] = contest.variants;
    const { entrant, result: expected } = await this.attempt(trial, usual.name, usual.plan());
    const wrong = differenceOf(expected, expected, tolerance);
    if (wrong) throw new GpuError('validation', `${shapeClass}: ${usual.name}: ${wrong}`);
    const entrants = [entrant];
    for (const { name, plan: make } of others) {
      let reason: string | undefined;
      try {
        const plan = make();
        if (!trial.fits(plan)) continue;
        const found = await this.attempt(trial, name, plan);
        reason = differenceOf(found.result, expected, tolerance);
        if (!reason) entrants.push(found.entrant);
      } catch (error) {
        if (error instanceof OutOfTime || isLoss(error)) throw error;
        reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
      }
      if (!reason) continue;
      struckOff[name] = reason;
      this.log(`tuning: ${shapeClass}: ${name} is struck off on this adapter: ${reason}`);
    }
    return entrants;
  }

  private async attempt(
    trial: Trial,
    name: string,
    plan: Plan,
  ): Promise<{ entrant: Entrant; result: Float32Array }> {
    const start = this.now();
    await trial.compile(plan, this.deadline - start);
    this.compileTime = 0.5 * (this.compileTime + this.now() - start);
    const result = await trial.result(plan);
    return { entrant: { name, plan, least: Number.POSITIVE_INFINITY }, result };
  }

  private async time(trial: Trial, entrants: readonly Entrant[]): Promise<void> {
    const sample = async (entrant: Entrant, count: number): Promise<void> => {
      if (this.now() > this.deadline) throw new OutOfTime();
      const { plan, least } = entrant;
      const milliseconds = await this.stopwatch(() => trial.run(plan, count));
      entrant.least = Math.min(least, milliseconds / count);
    };
    const least = () => Math.min(...entrants.map((entrant) => entrant.least));
    for (const entrant of entrants) await sample(entrant, 1);
    const count = Math.min(MOST_RUNS, Math.max(1, Math.ceil(SAMPLE / least())));
    for (let round = 0; round < ROUNDS; round++) {
      const worst = HOPELESS * least();
      // The first sample was of one run, which says little of short ones.
      const isHopeful = (entrant: Entrant) =>
        entrant === entrants[0] || (round === 0 && count > 1) || entrant.least <= worst;
      for (const entrant of entrants.filter(isHopeful)) await sample(entrant, count);
    }
  }
}

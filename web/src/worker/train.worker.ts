/** Trains away from the page's thread, a step at a time or until paused. */
import { expose } from 'comlink';
import { NumericalError } from 'sonolift';
import {
  type CheckpointContent,
  checkPairs,
  checkPool,
  configureTraining,
  MOST_STEPS_AT_ONCE,
  type OptionValues,
  type PairSource,
  type RunStep,
  readCheckpointFiles,
  selectPairs,
  splitPairs,
  TrainingRun,
} from 'sonolift/train';
import { type DataChoice, type NamedFile, openData, pairFiles } from '../train/data.ts';
import { enhanceSamples, type Sample, samplePairs } from '../train/samples.ts';
import { checkpointOf, unpack, zipCheckpoint, zipFiles } from '../train/zip.ts';
import { DeviceHolder } from './device.ts';
import { carryFailures } from './failures.ts';

export interface TimedStep extends RunStep {
  /** From the step's batch to its losses; of steps taken together a step's share. */
  readonly milliseconds: number;
}

export interface RunStarted {
  readonly adapter: string;
  readonly step: number;
  readonly isDone: boolean;
  readonly parameters: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<'train' | 'val' | 'test', number>>;
  readonly notices: readonly string[];
}

/** How a loop of steps ended. */
export interface RunPaused {
  readonly step: number;
  readonly isDone: boolean;
}

/** Milliseconds between two looks at the held-out pairs, and at least so many times what a look takes. */
const SAMPLES_EVERY = 3000;
const SAMPLES_SHARE = 8;

/** Milliseconds that steps may take before the device is asked for their losses. */
const ANSWERS_EVERY = 200;

/** Milliseconds between two states that are kept in case the device is lost. */
const KEEP_EVERY = 20_000;

type Files = ReadonlyMap<string, Uint8Array>;

/** Everything of a run that is not on the device. */
interface Plan {
  readonly options: OptionValues;
  readonly train: PairSource;
  readonly samples: Awaited<ReturnType<typeof samplePairs>>;
  readonly source: PairSource;
  /** The last state kept; undefined before the first step. */
  kept: Files | undefined;
  keptStep: number;
  keptAt: number;
}

let plan: Plan | undefined;
let run: TrainingRun | undefined;
let pauseAsked = false;
/** Calls that use the run wait for each other. */
let queue: Promise<unknown> = Promise.resolve();

const device = new DeviceHolder(() => {
  run = undefined;
});

function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const result = queue.then(work, work).catch((error: unknown) => {
    device.note(error);
    // Weights that are not finite are of no use: the run goes on from the state kept.
    if (error instanceof NumericalError) {
      run?.dispose();
      run = undefined;
    }
    throw error;
  });
  queue = result.catch(() => undefined);
  return result;
}

function readFiles(name: string, files: Files): Promise<CheckpointContent> {
  return readCheckpointFiles(name, async (file) => {
    const bytes = files.get(file);
    if (!bytes) throw new Error(`no file ${file}`);
    return bytes;
  });
}

function requirePlan(): Plan {
  if (!plan) throw new Error('no run was started');
  return plan;
}

/** The run, opened anew from the state that was kept if the device went away. */
async function openRun(): Promise<TrainingRun> {
  const { options, train, kept } = requirePlan();
  const gpu = await device.open();
  if (run) return run;
  const checkpoint = kept && (await readFiles('state kept', kept));
  run = await TrainingRun.open({
    gpu,
    configuration: configureTraining(options),
    train,
    checkpoint,
  });
  return run;
}

async function keepState(current: TrainingRun): Promise<Files> {
  const target = requirePlan();
  if (target.kept && target.keptStep === current.step) return target.kept;
  const files = await current.checkpoint();
  Object.assign(target, { kept: files, keptStep: current.step, keptAt: performance.now() });
  return files;
}

async function takeSteps(count: number): Promise<TimedStep[]> {
  const current = await openRun();
  const started = performance.now();
  const steps = await current.trainSteps(count);
  const milliseconds = (performance.now() - started) / steps.length;
  return steps.map((step) => ({ ...step, milliseconds }));
}

const service = {
  openDevice: async (): Promise<string> => (await device.open()).description,

  setMemoryLimit(limit: number): void {
    device.memoryLimit = limit;
  },

  /**
   * Prepares a run: all images are decoded once, so that a damaged one is found now.
   * @param checkpoint files of the checkpoint to go on from
   */
  start(
    options: OptionValues,
    data: DataChoice,
    checkpoint: { name: string; files: Files } | undefined,
  ): Promise<RunStarted> {
    return inTurn(async () => {
      const configuration = configureTraining(options);
      const choice = data.kind === 'files' ? { ...data, files: await unpack(data.files) } : data;
      const source = openData(choice);
      const notices: string[] = [];
      await checkPairs(source, { ...configuration, report: (line) => notices.push(line) });
      const split = splitPairs(source.pairs, configuration.splitSeed);
      // What a run goes on with was accepted, or a default, when it began.
      if (!checkpoint) checkPool(options, split.train.length, (line) => notices.push(line));
      const held = [split.val, split.test, split.train].find((indices) => indices.length) ?? [];
      const content = checkpoint && (await readFiles(checkpoint.name, checkpoint.files));
      const train = selectPairs(source, split.train);
      const samples = await samplePairs(selectPairs(source, held), configuration);
      const gpu = await device.open();
      const heldOut = {
        val: selectPairs(source, split.val).pairs,
        test: selectPairs(source, split.test).pairs,
      };
      const next = await TrainingRun.open({
        ...{ gpu, configuration, train, heldOut },
        checkpoint: content,
      });
      run?.dispose();
      run = next;
      plan = { options, train, samples, source, kept: undefined, keptStep: -1, keptAt: 0 };
      await keepState(run);
      return {
        adapter: gpu.description,
        step: run.step,
        isDone: run.isDone,
        parameters: run.parameterCounts(),
        counts: { train: split.train.length, val: split.val.length, test: split.test.length },
        notices,
      };
    });
  },

  step: (): Promise<TimedStep> => inTurn(async () => (await takeSteps(1))[0]),

  /** Trains until `pause` is called or the configuration is at its end. */
  train(
    onStep: (step: TimedStep) => void,
    onSamples: (samples: Sample[], step: number) => void,
  ): Promise<RunPaused> {
    pauseAsked = false;
    return inTurn(async () => {
      let current = await openRun();
      const target = requirePlan();
      let samplesDue = performance.now() + SAMPLES_EVERY;
      let together = 1;
      while (!pauseAsked && !current.isDone) {
        const steps = await takeSteps(together);
        for (const step of steps) onStep(step);
        const fitting = Math.ceil(ANSWERS_EVERY / steps[0].milliseconds);
        together = Math.min(fitting, 2 * together, MOST_STEPS_AT_ONCE);
        current = await openRun();
        if (performance.now() - target.keptAt > KEEP_EVERY) await keepState(current);
        if (performance.now() > samplesDue) {
          const started = performance.now();
          onSamples(await enhanceSamples(current, target.samples), current.step);
          const cost = performance.now() - started;
          samplesDue = performance.now() + Math.max(SAMPLES_EVERY, SAMPLES_SHARE * cost);
        }
        // A turn of the event loop, for `pause` to be heard.
        await new Promise((resolve) => setTimeout(resolve));
      }
      await keepState(current);
      return { step: current.step, isDone: current.isDone };
    });
  },

  /** Ends `train` after the steps under way. */
  pause(): void {
    pauseAsked = true;
  },

  samples: (): Promise<Sample[]> =>
    inTurn(async () => enhanceSamples(await openRun(), requirePlan().samples)),

  /** The step that a run goes on from after a failure; -1 if there is no run. */
  keptStep: (): number => plan?.keptStep ?? -1,

  checkpoint: (): Promise<{ step: number; zip: Uint8Array<ArrayBuffer> }> =>
    inTurn(async () => {
      const current = await openRun();
      const files = await keepState(current);
      return { step: current.step, zip: zipCheckpoint(current.step, files) };
    }),

  exportGenerator: (): Promise<Uint8Array> =>
    inTurn(async () => (await openRun()).exportGenerator()),

  /** The pairs of the run as a zip in the USEnhance layout. */
  exportPairs: (): Promise<Uint8Array<ArrayBuffer>> =>
    inTurn(async () => zipFiles(await pairFiles(requirePlan().source))),

  /** Reads what was dropped as a checkpoint. */
  async readCheckpoint(dropped: readonly NamedFile[]) {
    const { name, files } = await checkpointOf(dropped);
    const { state } = await readFiles(name, files);
    return { name, files, state };
  },
};

export type TrainService = typeof service;

carryFailures();
expose(service);

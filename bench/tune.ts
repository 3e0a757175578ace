/**
 * Times every variant of every convolution that a training step has a choice of, as the tuner does, and
 * the step with the defaults and with what the tuner chose.
 *
 *     npm run bench:tune [-- --size 64 --ngf 16 --batch 4 --budget SECONDS --repeats N --device NAME]
 */
import { tuneConvolutions } from '../src/autograd/tuning/tune.ts';
import { KernelChoices } from '../src/gpu/choices.ts';
import { memoryTuningStore } from '../src/gpu/tuning/memory-store.ts';
import { parseRecords, type TuningRecords, type TuningStore } from '../src/gpu/tuning/records.ts';
import { openNodeGpu } from '../src/node.ts';
import { numberOption, optionalString, type ProgramSpec } from '../src/run/options.ts';
import { readPerceptual } from '../src/run/perceptual.ts';
import { runProgram } from '../src/run/program.ts';
import { Clock } from './measure/clock.ts';
import { type Repeats, summariseRepeats } from './measure/statistics.ts';
import { reportLoad, watchLoad } from './output/context.ts';
import { percent, significant } from './output/table.ts';
import { TrainingStep } from './step/training-step.ts';

const PROGRAM: ProgramSpec = {
  command: 'npm run bench:tune --',
  summary:
    'Times the variants of the convolutions of a training step, and the step with the defaults and with\n' +
    'the variants that are faster. Nothing is read from the tuning cache or written to it.',
  options: {
    size: { description: 'side of the images', default: 64, integer: true, min: 32 },
    ngf: { description: 'generator channels', default: 16, integer: true, min: 1 },
    ndf: { description: 'discriminator channels', default: 16, integer: true, min: 1 },
    batch: { description: 'images a step', default: 4, integer: true, min: 1 },
    weights: { description: 'folder with SqueezeNet LPIPS weights', what: 'DIR' },
    budget: { description: 'seconds that tuning may take', default: 18, min: 0 },
    repeats: { description: 'timed steps each way, in turn', default: 5, integer: true, min: 1 },
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

/** A store that tells its last text. */
function listeningStore(): { store: TuningStore; text(): string } {
  const memory = memoryTuningStore();
  let last = '';
  const write: TuningStore['write'] = async (key, text) => {
    last = text;
    await memory.write(key, text);
  };
  return { store: { ...memory, write }, text: () => last };
}

function lines(records: TuningRecords): string[] {
  const rows = [...records].map(([name, { variant, milliseconds }]) => {
    const times = Object.entries(milliseconds);
    const [[usual, usualTime]] = times;
    const shown = times.map(([each, time]) => `${each} ${significant(time)}`).join(', ');
    const gain = usualTime / milliseconds[variant];
    const chosen = variant === usual ? '=' : `${variant} ${gain.toFixed(2)}`;
    return `| ${name.replace(/(\|4)?( frozen)? #.*/, '$2')} | ${shown} | ${chosen} |`;
  });
  return ['| class | milliseconds, the default first | chosen, gain |', '|---|---|---|', ...rows];
}

function secondsOf({ median, spread, least }: Repeats): string {
  return `${significant(median)} s ±${percent(spread)} (least ${significant(least)})`;
}

await runProgram(PROGRAM, async ({ values }) => {
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const weights = optionalString(values, 'weights');
  const perceptual = await readPerceptual(weights ? 'squeeze' : 'random-features', weights);
  if (!perceptual) throw new Error('no perceptual distance');
  const [size, ngf, ndf, batch] = ['size', 'ngf', 'ndf', 'batch'].map((name) =>
    numberOption(values, name),
  );
  const shape = { size, ngf, ndf, batch };
  const { store, text } = listeningStore();
  const device = optionalString(values, 'device');
  const gpu = await openNodeGpu({ device, log: print, tune: 'on', tuningStore: store });
  const clock = new Clock(gpu.profile.kind);
  print(clock.description);
  const load = await watchLoad();
  const start = performance.now();
  const record = (blank: typeof gpu) => new TrainingStep(blank, shape, perceptual).record();
  await tuneConvolutions(gpu, record, {
    log: print,
    budget: numberOption(values, 'budget') * 1000,
    stopwatch: async (work) => (await clock.measure(work)).milliseconds,
  });
  print(`tuning took ${((performance.now() - start) / 1000).toFixed(1)} s`);
  print(lines(parseRecords(text(), gpu.identity)).join('\n'));

  const tuned = gpu.choices;
  const usual = new KernelChoices();
  const step = new TrainingStep(gpu, shape, perceptual);
  const seconds: [number[], number[]] = [[], []];
  const repeats = numberOption(values, 'repeats');
  // Two untimed steps each way: pipelines and buffers.
  for (let i = -2; i < repeats; i++) {
    for (const [which, choices] of [usual, tuned].entries()) {
      gpu.choices = choices;
      const { milliseconds } = await clock.measure(async () => {
        await step.take();
        await gpu.finish();
      });
      if (i >= 0) seconds[which].push(milliseconds / 1000);
    }
  }
  step.dispose();
  const [before, after] = seconds.map((times) => summariseRepeats(times));
  print(
    `step ${size} px ngf ${ngf} ndf ${ndf} batch ${batch} ${perceptual.name}: default ${secondsOf(before)}, tuned ${secondsOf(after)}, gain ${(before.median / after.median).toFixed(3)} (least ${(before.least / after.least).toFixed(3)})`,
  );
  print(reportLoad(load));
  gpu.close();
});

/**
 * Times whole training steps of the proposed method, and what they cost the host.
 *
 *     npm run bench:step [-- --paper --weights DIR --leak-steps N --json FILE --markdown FILE]
 */
import { writeFileAtomic } from '../src/files.ts';
import { PRECISIONS, type Precision } from '../src/methods/precision.ts';
import { openNodeGpu } from '../src/node.ts';
import {
  booleanOption,
  numberOption,
  optionalNumber,
  optionalString,
  type ProgramSpec,
  stringOption,
  TUNE_OPTION,
  tuneOption,
} from '../src/run/options.ts';
import { readPerceptual } from '../src/run/perceptual.ts';
import { runProgram } from '../src/run/program.ts';
import { Clock } from './measure/clock.ts';
import { openDefaultGpu } from './measure/device.ts';
import { contextLines, contextOf, reportLoad, watchLoad } from './output/context.ts';
import { writeSection } from './output/section.ts';
import { hostLine, stepLine, stepTable } from './output/step-table.ts';
import { checkLeaks, measureStep, type StepResult } from './step/measure-step.ts';
import { HOST_SHAPE, measureHost } from './step/null-device.ts';
import { PAPER_SHAPE, STEP_SHAPES, type StepShape } from './step/step-shape.ts';

const PROGRAM: ProgramSpec = {
  command: 'npm run bench:step --',
  summary:
    'Times training steps of the proposed method: three sizes, or the one that --paper or --size gives.\n' +
    'Tells host time, dispatches and memory too, and looks for leaks.',
  options: {
    paper: {
      description: 'the step of the paper: 256 px, ngf 64, ndf 64, batch 4',
      default: false,
    },
    size: { description: 'one step of this size instead', type: 'number', integer: true, min: 32 },
    ngf: { description: 'generator channels for --size', default: 16, integer: true, min: 1 },
    ndf: { description: 'discriminator channels for --size', default: 16, integer: true, min: 1 },
    batch: { description: 'batch for --size', default: 4, integer: true, min: 1 },
    weights: { description: 'folder with SqueezeNet LPIPS weights', what: 'DIR' },
    perceptual: {
      description: 'squeeze, alex, vgg, random-features (default: squeeze with --weights)',
      what: 'NAME',
    },
    precision: { description: 'how activations are stored', default: 'f32', choices: PRECISIONS },
    repeats: { description: 'timed steps of each size', default: 5, integer: true, min: 1 },
    'leak-steps': {
      description: 'steps of the leak check; 0 for none',
      default: 100,
      integer: true,
      min: 0,
    },
    'default-limits': {
      description: "open the device with WebGPU's default limits (128 MiB a binding)",
      default: false,
    },
    json: { description: 'write the results there too', what: 'FILE' },
    markdown: {
      description: 'put the tables into section "Training step" of this file',
      what: 'FILE',
    },
    tune: TUNE_OPTION,
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

await runProgram(PROGRAM, async ({ values }) => {
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const weights = optionalString(values, 'weights');
  const name = optionalString(values, 'perceptual') ?? (weights ? 'squeeze' : 'random-features');
  const perceptual = await readPerceptual(name, weights);
  if (!perceptual) throw new Error(`no perceptual distance ${name}`);
  const size = optionalNumber(values, 'size');
  const chosen: StepShape = {
    size: size ?? 0,
    ngf: numberOption(values, 'ngf'),
    ndf: numberOption(values, 'ndf'),
    batch: numberOption(values, 'batch'),
  };
  const shapes = booleanOption(values, 'paper')
    ? [PAPER_SHAPE]
    : size === undefined
      ? STEP_SHAPES
      : [chosen];
  const device = optionalString(values, 'device');
  const repeats = numberOption(values, 'repeats');
  const open = booleanOption(values, 'default-limits') ? openDefaultGpu : openNodeGpu;
  const load = await watchLoad();
  // First, while no driver has threads or memory in this process.
  const host = await measureHost(HOST_SHAPE, perceptual, 15);
  const results: StepResult[] = [];
  let context: ReturnType<typeof contextOf> | undefined;
  let clockName = '';
  // A device of its own for each size, so that peaks and pipelines are of that size alone.
  for (const shape of shapes) {
    const gpu = await open({ device, tune: tuneOption(values), log: context ? undefined : print });
    const clock = new Clock(gpu.profile.kind);
    clockName = clock.name;
    if (!context) print(clock.description);
    context ??= contextOf(gpu, clock, 'bench:step');
    const result = await measureStep(gpu, clock, shape, perceptual, {
      repeats,
      precision: stringOption(values, 'precision') as Precision,
      ...(booleanOption(values, 'paper') && { warmUp: 1 }),
    });
    results.push(result);
    print(stepLine(result, clockName));
    gpu.close();
  }
  const notes: string[] = [];
  const leakSteps = numberOption(values, 'leak-steps');
  if (leakSteps > 0) {
    const gpu = await openNodeGpu({ device });
    const [shape] = size === undefined ? STEP_SHAPES : [chosen];
    notes.push(`Leak check: ${await checkLeaks(gpu, shape, perceptual, leakSteps)}.`);
    gpu.close();
  }
  notes.push(hostLine(host), reportLoad(load));
  for (const note of notes) print(note);
  const json = optionalString(values, 'json');
  if (json) {
    await writeFileAtomic(json, `${JSON.stringify({ context, results, host, notes }, null, 2)}\n`);
  }
  const markdown = optionalString(values, 'markdown');
  if (markdown && context) {
    const section = booleanOption(values, 'paper') ? 'Training step of the paper' : 'Training step';
    const text = [contextLines(context), '', stepTable(results, clockName), '', ...notes];
    await writeSection(markdown, section, text.join('\n'));
  }
});

/**
 * How time and memory of a training step grow with pixels, batch and width: fitted exponents and SVG
 * plots.
 *
 *     npm run bench:scaling [-- --out DIR --weights DIR --json FILE --markdown FILE]
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireWritableFolder, writeFileAtomic } from '../src/files.ts';
import { openNodeGpu } from '../src/node.ts';
import {
  numberOption,
  optionalString,
  type ProgramSpec,
  stringOption,
  TUNE_OPTION,
  tuneOption,
} from '../src/run/options.ts';
import { readPerceptual } from '../src/run/perceptual.ts';
import { runProgram } from '../src/run/program.ts';
import { Clock } from './measure/clock.ts';
import { fitPowerLaw } from './measure/fit.ts';
import { contextLines, contextOf, reportLoad, watchLoad } from './output/context.ts';
import { logarithmicPlot } from './output/plot.ts';
import { writeSection } from './output/section.ts';
import { stepLine } from './output/step-table.ts';
import { bytesText, left, markdownTable, right, significant } from './output/table.ts';
import { measureStep, type StepResult } from './step/measure-step.ts';
import { type ScalingSeries, scalingSeries } from './step/scaling-series.ts';
import { shapeText } from './step/step-shape.ts';

const PROGRAM: ProgramSpec = {
  command: 'npm run bench:scaling --',
  summary: 'Measures how time and memory of a training step grow with pixels, batch and width.',
  options: {
    out: { description: 'folder for the SVG plots', what: 'DIR', default: 'runs/scaling' },
    'largest-size': {
      description: 'most pixels a side',
      default: 256,
      integer: true,
      min: 128,
    },
    repeats: { description: 'timed steps of each point', default: 3, integer: true, min: 1 },
    weights: { description: 'folder with SqueezeNet LPIPS weights', what: 'DIR' },
    json: { description: 'write the results there too', what: 'FILE' },
    markdown: { description: 'put the tables into section "Scaling" of this file', what: 'FILE' },
    tune: TUNE_OPTION,
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

interface Measured {
  readonly series: ScalingSeries;
  readonly results: readonly StepResult[];
}

const secondsOf = ({ series, results }: Measured) =>
  results.map(({ shape, seconds }) => [series.quantity(shape), seconds.median] as const);
const bytesOf = ({ series, results }: Measured) =>
  results.map(({ shape, peakBytes }) => [series.quantity(shape), peakBytes / 2 ** 20] as const);

function exponentTable(all: readonly Measured[]): string {
  return markdownTable(
    [
      left('along'),
      left('from'),
      left('to'),
      right('time ∝'),
      right('R²'),
      right('memory ∝'),
      right('R²'),
    ],
    all.map((measured) => {
      const { series } = measured;
      const [time, memory] = [fitPowerLaw(secondsOf(measured)), fitPowerLaw(bytesOf(measured))];
      return [
        series.title,
        shapeText(series.shapes[0]),
        shapeText(series.shapes[series.shapes.length - 1]),
        `x^${time.exponent.toFixed(2)}`,
        time.r2.toFixed(3),
        `x^${memory.exponent.toFixed(2)}`,
        memory.r2.toFixed(3),
      ];
    }),
  );
}

function pointTable(all: readonly Measured[], clock: string): string {
  return markdownTable(
    [left('along'), left('step'), right(`${clock} s`), right('wall s'), right('peak memory')],
    all.flatMap(({ series, results }) =>
      results.map(({ shape, seconds, wallSeconds, peakBytes }) => [
        series.name,
        shapeText(shape),
        significant(seconds.median),
        significant(wallSeconds.median),
        bytesText(peakBytes),
      ]),
    ),
  );
}

async function writePlots(folder: string, all: readonly Measured[], clock: string): Promise<void> {
  for (const measured of all) {
    const { name, title } = measured.series;
    const plots = [
      { what: 'time', yTitle: `seconds a step (${clock})`, points: secondsOf(measured) },
      { what: 'memory', yTitle: 'peak memory, MiB', points: bytesOf(measured) },
    ];
    for (const { what, yTitle, points } of plots) {
      const svg = logarithmicPlot({
        title: `Training step: ${what} against ${name}`,
        xTitle: title,
        yTitle,
        series: [{ name: what, points }],
      });
      await writeFileAtomic(join(folder, `${what}-${name}.svg`), svg);
    }
  }
}

await runProgram(PROGRAM, async ({ values }) => {
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const weights = optionalString(values, 'weights');
  const perceptual = await readPerceptual(weights ? 'squeeze' : 'random-features', weights);
  if (!perceptual) throw new Error('no perceptual distance');
  const out = stringOption(values, 'out');
  await mkdir(out, { recursive: true });
  await requireWritableFolder(out);
  const device = optionalString(values, 'device');
  const load = await watchLoad();
  const all: Measured[] = [];
  let context: ReturnType<typeof contextOf> | undefined;
  let clockName = '';
  for (const series of scalingSeries(numberOption(values, 'largest-size'))) {
    const results: StepResult[] = [];
    for (const shape of series.shapes) {
      const gpu = await openNodeGpu({ device, tune: tuneOption(values) });
      const clock = new Clock(gpu.profile.kind);
      clockName = clock.name;
      context ??= contextOf(gpu, clock, 'bench:scaling');
      const result = await measureStep(gpu, clock, shape, perceptual, {
        repeats: numberOption(values, 'repeats'),
      });
      results.push(result);
      print(`${series.name}: ${stepLine(result, clockName)}`);
      gpu.close();
    }
    all.push({ series, results });
  }
  const loadLine = reportLoad(load);
  await writePlots(out, all, clockName);
  const tables = [
    exponentTable(all),
    `The points, perceptual distance ${perceptual.name}:`,
    pointTable(all, clockName),
  ];
  print(`\n${tables.join('\n\n')}\n\nplots are in ${out}`);
  const json = optionalString(values, 'json');
  if (json) await writeFileAtomic(json, `${JSON.stringify({ context, all }, null, 2)}\n`);
  const markdown = optionalString(values, 'markdown');
  if (markdown && context) {
    const text = [`${contextLines(context)}\n${loadLine}`, ...tables].join('\n\n');
    await writeSection(markdown, 'Scaling', text);
  }
});

/**
 * Times convolutions by Winograd's minimal filtering against the direct kernels, one after the other in
 * one process, whichever of them is chosen for the shape.
 *
 *     npx tsx bench/winograd.ts [--device NAME] [BATCHxCHANNELSxROWSxPIXELS[kKERNELsSTRIDE] …]
 */

import { conv2dDataGradient, dataGradientCorrelation } from '../kernels/conv2d/data-gradient.ts';
import { NO_EPILOGUE } from '../kernels/conv2d/epilogue.ts';
import { conv2dForward, forwardCorrelation } from '../kernels/conv2d/forward.ts';
import {
  type ConvGeometry,
  type ConvolutionPass,
  outHeight,
  outWidth,
} from '../kernels/conv2d/geometry.ts';
import { type RegisterVariant, registerVariants } from '../kernels/conv2d/register-variants.ts';
import { conv2dWeightGradient } from '../kernels/conv2d/weight-gradient.ts';
import type { AdapterProfile, Plan } from '../kernels/kernel.ts';
import { UsageError } from '../src/errors.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { openNodeGpu } from '../src/node.ts';
import { optionalString, type ProgramSpec } from '../src/run/options.ts';
import { runProgram } from '../src/run/program.ts';
import { Clock } from './measure/clock.ts';
import { repeat } from './measure/repeat.ts';
import { reportLoad, watchLoad } from './output/context.ts';
import { significant } from './output/table.ts';

const PROGRAM: ProgramSpec = {
  command: 'npx tsx bench/winograd.ts',
  summary: "Times Winograd's minimal filtering against the direct kernels, at padding 1.",
  positionals: 'BATCHxCHANNELSxROWSxPIXELS[kKERNELsSTRIDE]...',
  options: {
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

const SHAPES = [
  ...['1x32x32x64', '1x64x64x32', '1x64x64x64', '4x64x64x64', '1x128x128x32', '4x128x128x32'],
  ...['1x256x256x16', '1x256x256x32', '4x256x256x32', '1x256x256x64', '4x512x512x16'],
  ...['1x64x128x128k4s2', '1x128x256x64k4s2', '1x256x512x32k4s2', '1x64x256x128k4s2'],
  ...['4x16x32x64k4s2', '4x32x64x32k4s2', '4x64x128x64k4s2', '4x512x512x16k4s2'],
  ...['1x256x512x32k4s1', '4x64x128x8k4s1', '4x64x128x16k4s1', '4x128x256x16k4s1'],
];

function geometryOf(shape: string): ConvGeometry {
  const [sizes, kernel = '3s1'] = shape.split('k');
  const numbers = [...sizes.split('x'), ...kernel.split('s')].map(Number);
  if (numbers.length !== 6 || !numbers.every((size) => Number.isInteger(size) && size > 0)) {
    throw new UsageError(`'${shape}' is not BATCHxCHANNELSxROWSxPIXELS[kKERNELsSTRIDE]`);
  }
  const [batch, inChannels, outChannels, height, side, stride] = numbers;
  const window = { kernelHeight: side, kernelWidth: side, stride, padding: 1 };
  return { batch, inChannels, outChannels, height, width: height, ...window, paddingMode: 'zeros' };
}

interface Contest {
  readonly name: ConvolutionPass;
  readonly direct: Plan;
  readonly winograd: Plan;
  readonly chosen: RegisterVariant;
  /** Lengths of inputs and output. */
  readonly lengths: readonly [number, number, number];
}

function contests(g: ConvGeometry, profile: AdapterProfile): Contest[] {
  const image = g.batch * g.inChannels * g.height * g.width;
  const output = g.batch * g.outChannels * outHeight(g) * outWidth(g);
  const weights = g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth;
  const forward = forwardCorrelation(g, NO_EPILOGUE);
  const contest = (
    name: ConvolutionPass,
    spec: typeof forward,
    lengths: Contest['lengths'],
    plan: (variant: RegisterVariant) => Plan,
  ): Contest => {
    const variants = registerVariants(name, spec, g, profile);
    if (!variants.includes('winograd')) {
      throw new UsageError('the adapter or shape has no Winograd');
    }
    const [direct, winograd] = [plan('direct'), plan('winograd')];
    return { name, direct, winograd, chosen: variants[0], lengths };
  };
  return [
    contest('forward', forward, [image, weights, output], (variant) =>
      conv2dForward(g, NO_EPILOGUE, profile, undefined, variant),
    ),
    contest(
      'data-gradient',
      dataGradientCorrelation(g, NO_EPILOGUE),
      [output, weights, image],
      (variant) => conv2dDataGradient(g, NO_EPILOGUE, profile, { variant }),
    ),
    contest('weight-gradient', forward, [image, output, weights], (variant) =>
      conv2dWeightGradient(g, false, profile, variant),
    ),
  ];
}

/** Medians in milliseconds of the direct and the Winograd plan, taken in turn. */
async function duel(gpu: Gpu, clock: Clock, each: Contest): Promise<[number, number]> {
  const storages = each.lengths.map((length) =>
    gpu.upload(Float32Array.from({ length }, () => Math.random() - 0.5)),
  );
  const [first, second, output] = storages;
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < 3; round++) {
    for (const [which, plan] of [each.direct, each.winograd].entries()) {
      const { time } = await repeat(
        gpu,
        clock,
        () => gpu.runPlan(plan, [first, second], [output]),
        { repeats: 5, budget: 3000 },
      );
      times[which].push(time.median);
    }
  }
  for (const storage of storages) gpu.dispose(storage);
  gpu.trim();
  const middle = (values: number[]): number => values.sort((a, b) => a - b)[1];
  return [middle(times[0]), middle(times[1])];
}

await runProgram(PROGRAM, async ({ values, positionals }) => {
  const geometries = (positionals.length ? positionals : SHAPES).map((shape) => geometryOf(shape));
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const gpu = await openNodeGpu({ device: optionalString(values, 'device'), log: print });
  const clock = new Clock(gpu.profile.kind);
  print(clock.description);
  const load = await watchLoad();
  for (const g of geometries) {
    const taps = g.kernelHeight * g.kernelWidth;
    const flops = 2 * taps * g.batch * g.inChannels * g.outChannels * outHeight(g) * outWidth(g);
    for (const each of contests(g, gpu.profile)) {
      const [direct, winograd] = await duel(gpu, clock, each);
      const rate = (milliseconds: number): string => significant(flops / milliseconds / 1e6);
      const shape = `${g.kernelHeight}×${g.kernelWidth} s${g.stride} ${g.batch}×${g.inChannels}→${g.outChannels} @${g.height}`;
      print(
        `| ${shape} | ${each.name} | ${rate(direct)} | ${rate(winograd)} | ${(direct / winograd).toFixed(2)} | ${each.chosen} |`,
      );
    }
  }
  print(reportLoad(load));
  gpu.close();
});

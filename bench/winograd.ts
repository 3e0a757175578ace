/**
 * Times 3×3 convolutions by Winograd's minimal filtering against the direct kernels, one after the other in
 * one process, whichever of them is chosen for the shape.
 *
 *     npx tsx bench/winograd.ts [--device NAME] [BATCHxCHANNELSxROWSxPIXELS …]
 */

import { NO_EPILOGUE } from '../kernels/conv2d/epilogue.ts';
import { directPlan, forwardCorrelation } from '../kernels/conv2d/forward.ts';
import type { ConvGeometry } from '../kernels/conv2d/geometry.ts';
import { directWeightGradient } from '../kernels/conv2d/weight-gradient.ts';
import { winogradPlan } from '../kernels/conv2d/winograd/plan.ts';
import {
  allowsWinograd,
  prefersWinograd,
  prefersWinogradWeightGradient,
} from '../kernels/conv2d/winograd/prefers.ts';
import { winogradWeightGradient } from '../kernels/conv2d/winograd/weight-gradient.ts';
import type { AdapterProfile, Plan } from '../kernels/kernel.ts';
import { UsageError } from '../src/errors.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { openNodeGpu } from '../src/node.ts';
import { optionalString, type ProgramSpec } from '../src/run/options.ts';
import { runProgram } from '../src/run/program.ts';
import { Clock } from './measure/clock.ts';
import { submitterOf } from './measure/device.ts';
import { repeat } from './measure/repeat.ts';
import { reportLoad, watchLoad } from './output/context.ts';
import { significant } from './output/table.ts';

const PROGRAM: ProgramSpec = {
  command: 'npx tsx bench/winograd.ts',
  summary: "Times Winograd's minimal filtering against the direct kernels, for 3×3 at padding 1.",
  positionals: 'BATCHxCHANNELSxROWSxPIXELS...',
  options: {
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

const SHAPES = [
  ...['1x32x32x64', '1x64x64x32', '1x64x64x64', '4x64x64x64', '1x128x128x32', '4x128x128x32'],
  ...['1x256x256x16', '1x256x256x32', '4x256x256x32', '1x256x256x64', '4x512x512x16'],
];

function geometryOf(shape: string): ConvGeometry {
  const sizes = shape.split('x').map(Number);
  if (sizes.length !== 4 || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new UsageError(`'${shape}' is not BATCHxCHANNELSxROWSxPIXELS`);
  }
  const [batch, inChannels, outChannels, height] = sizes;
  const kernel = { kernelHeight: 3, kernelWidth: 3, stride: 1, padding: 1 };
  return { batch, inChannels, outChannels, height, width: height, ...kernel, paddingMode: 'zeros' };
}

interface Contest {
  readonly name: string;
  readonly direct: Plan;
  readonly winograd: Plan;
  readonly isChosen: boolean;
  /** Lengths of inputs and output. */
  readonly lengths: readonly [number, number, number];
}

function contests(g: ConvGeometry, profile: AdapterProfile): Contest[] {
  const spec = forwardCorrelation(g, NO_EPILOGUE);
  if (!allowsWinograd(spec, profile)) throw new UsageError('the adapter or shape has no Winograd');
  const image = g.batch * g.inChannels * g.height * g.width;
  const output = g.batch * g.outChannels * g.height * g.width;
  const weights = g.outChannels * g.inChannels * 9;
  return [
    {
      name: 'forward',
      direct: directPlan(spec, { kernelHeight: 3, kernelWidth: 3 }, profile),
      winograd: winogradPlan(spec, false, profile),
      isChosen: prefersWinograd(spec, profile),
      lengths: [image, weights, output],
    },
    {
      name: 'weight gradient',
      direct: directWeightGradient(g, false, profile),
      winograd: winogradWeightGradient(spec, false, profile),
      isChosen: prefersWinogradWeightGradient(spec, profile),
      lengths: [image, output, weights],
    },
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
        submitterOf(gpu),
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
    const flops = 18 * g.batch * g.inChannels * g.outChannels * g.height * g.width;
    for (const each of contests(g, gpu.profile)) {
      const [direct, winograd] = await duel(gpu, clock, each);
      const rate = (milliseconds: number): string => significant(flops / milliseconds / 1e6);
      const shape = `${g.batch}×${g.inChannels}→${g.outChannels} @${g.height}`;
      print(
        `| ${shape} | ${each.name} | ${rate(direct)} | ${rate(winograd)} | ${(direct / winograd).toFixed(2)} | ${each.isChosen ? 'Winograd' : 'direct'} |`,
      );
    }
  }
  print(reportLoad(load));
  gpu.close();
});

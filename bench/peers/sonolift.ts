/** Our own part of a comparison: leaves results for the peers to check against, and times them. */
import { readFileSync } from 'node:fs';
import { conv2dDataGradient } from '../../kernels/conv2d/data-gradient.ts';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { conv2dForward } from '../../kernels/conv2d/forward.ts';
import { conv2dWeightGradient } from '../../kernels/conv2d/weight-gradient.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { readState, type Tensorlike } from '../../src/nn/network.ts';
import { TRUNKS, trunkShapes } from '../../src/nn/perceptual/trunks.ts';
import { openNodeGpu } from '../../src/node.ts';
import { type PerceptualFile, readPerceptual } from '../../src/run/perceptual.ts';
import { convolutionSizes } from '../cases/convolution.ts';
import { noise } from '../cases/kernel-case.ts';
import { Clock } from '../measure/clock.ts';
import { repeat } from '../measure/repeat.ts';
import { type StepShape, shapeText } from '../step/step-shape.ts';
import { stepImages, TrainingStep } from '../step/training-step.ts';
import {
  COMPARED_STEPS,
  type Job,
  PASSES,
  type PeerShape,
  peakResident,
  readJob,
  report,
  resultName,
  writeArray,
} from './job.ts';
import { type Losses, writeLosses, writeState } from './step-state.ts';

async function convolutions(gpu: Gpu, clock: Clock, folder: string, shape: PeerShape) {
  const g = shape.geometry;
  const sizes = convolutionSizes(g);
  const [x, w, dy] = [noise(sizes.x, 1), noise(sizes.w, 2), noise(sizes.y, 3)];
  // For PyTorch, which does not share our code.
  for (const [key, data] of Object.entries({ x, w, dy })) {
    writeArray(folder, `${shape.name}.${key}`, data);
  }
  const work = {
    forward: { plan: conv2dForward(g, NO_EPILOGUE, gpu.profile), inputs: [x, w], size: sizes.y },
    data: { plan: conv2dDataGradient(g, NO_EPILOGUE, gpu.profile), inputs: [dy, w], size: sizes.x },
    weight: { plan: conv2dWeightGradient(g, false, gpu.profile), inputs: [x, dy], size: sizes.w },
  };
  for (const pass of PASSES) {
    const { plan, inputs, size } = work[pass];
    const storages = inputs.map((data) => gpu.upload(data));
    const output = gpu.upload(new Float32Array(size).fill(Number.NaN));
    gpu.runPlan(plan, storages, [output]);
    writeArray(
      folder,
      resultName(shape.name, pass),
      new Float32Array(await gpu.read(output, size)),
    );
    const { time, wall } = await repeat(gpu, clock, () => gpu.runPlan(plan, storages, [output]));
    report({
      kind: 'convolution',
      shape: shape.name,
      pass,
      milliseconds: time.median,
      wallMilliseconds: wall,
      spread: time.spread,
      error: 0,
    });
    for (const storage of [...storages, output]) gpu.dispose(storage);
  }
}

/** SqueezeNet's trunk: trained if there is a folder, else noise of He's variance. */
async function squeezeWeights(weights: string | undefined): Promise<PerceptualFile> {
  if (weights) {
    const file = await readPerceptual('squeeze', weights);
    if (file) return file;
  }
  const trunk = new Map<string, Tensorlike>();
  let seed = 100;
  for (const [name, shape] of trunkShapes(TRUNKS.squeeze)) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const fanIn = size / shape[0];
    const scale = shape.length === 4 ? Math.sqrt(2 / fanIn) : 0;
    trunk.set(name, { shape, data: noise(size, seed++).map((value) => value * scale) });
  }
  const linear = TRUNKS.squeeze.channels.map((count) => new Float32Array(count).fill(1 / count));
  return { name: 'squeeze', weights: { trunk, linear } };
}

function perceptualState({ weights }: PerceptualFile): Map<string, Tensorlike> {
  const state = new Map<string, Tensorlike>();
  for (const [name, { shape, data }] of weights.trunk) state.set(`trunk.${name}`, { shape, data });
  weights.linear.forEach((data, tap) => {
    state.set(`lin${tap}`, { shape: [data.length], data });
  });
  return state;
}

/** No dropout, so that peers can be compared with; fakes made twice, as the authors do. */
const OPTIONS = { dropout: 0, fakes: 'recompute' } as const;

async function trainingStep(gpu: Gpu, clock: Clock, job: Job, shape: StepShape) {
  const perceptual = await squeezeWeights(job.weights);
  const step = new TrainingStep(gpu, shape, perceptual, OPTIONS);
  const name = shapeText(shape);
  const state = perceptualState(perceptual);
  for (const [prefix, network] of step.method.networks) {
    for (const [key, tensor] of await readState(network)) state.set(prefix + key, tensor);
  }
  writeState(job.folder, name, state);
  for (const [key, data] of Object.entries(stepImages(shape))) {
    writeArray(job.folder, `${name}.${key}`, data);
  }
  const losses: Losses[] = [];
  for (let i = 0; i < COMPARED_STEPS; i++) {
    losses.push(Object.fromEntries(await step.takeAndReadLosses()));
  }
  writeLosses(job.folder, name, losses);
  const seconds: number[] = [];
  // A step records and submits by itself.
  const { time, wall } = await repeat(
    {
      flush: async () => {
        for (const _ of seconds.splice(0)) await step.take();
      },
      finish: () => gpu.finish(),
    },
    clock,
    () => seconds.push(0),
    { sample: 1, repeats: 7, budget: 20_000 },
  );
  report({
    kind: 'step',
    shape: name,
    seconds: time.median / 1000,
    wallSeconds: wall / 1000,
    spread: time.spread,
    peakBytes: peakResident(),
    error: 0,
  });
  step.dispose();
}

const folder = process.argv[2];
const job = readJob(folder);
const gpu = await openNodeGpu(job.device ? { device: job.device } : {});
const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };
report({ kind: 'about', adapter: gpu.description, version });
const clock = new Clock(gpu.profile.kind);
for (const shape of job.shapes) await convolutions(gpu, clock, folder, shape);
gpu.close();
// A device of its own for each, so that none keeps memory of those before.
for (const shape of job.steps) {
  const fresh = await openNodeGpu(job.device ? { device: job.device } : {});
  await trainingStep(fresh, clock, job, shape);
  fresh.close();
}

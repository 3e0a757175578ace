/** tfjs-backend-webgpu's part of a comparison. */
import { outHeight, outWidth } from '../../kernels/conv2d/geometry.ts';
import { convolutionSizes } from '../cases/convolution.ts';
import { noise } from '../cases/kernel-case.ts';
import { Clock } from '../measure/clock.ts';
import { repeat } from '../measure/repeat.ts';
import { type StepShape, shapeText } from '../step/step-shape.ts';
import {
  COMPARED_STEPS,
  CONVOLUTION_TOLERANCE,
  type Job,
  LOSS_TOLERANCE,
  PASSES,
  type PeerShape,
  peakResident,
  readArray,
  readJob,
  relativeError,
  report,
  requireEqual,
  resultName,
} from './job.ts';
import {
  HWIO_TO_OIHW,
  NCHW_TO_NHWC,
  NHWC_TO_NCHW,
  OIHW_TO_HWIO,
  transpose,
  transposedShape,
} from './layout.ts';
import { readLosses } from './step-state.ts';
import { type OpenTf, openTf } from './tfjs-open.ts';
import { TfjsStep } from './tfjs-step.ts';
import type { TfTensor } from './tfjs-types.ts';

async function convolutions(open: OpenTf, clock: Clock, job: Job, shape: PeerShape) {
  const { tf } = open;
  const g = shape.geometry;
  const sizes = convolutionSizes(g);
  const image = (data: Float32Array, extents: readonly number[]): TfTensor =>
    tf.tensor(transpose(data, extents, NCHW_TO_NHWC), transposedShape(extents, NCHW_TO_NHWC));
  const weightShape = [g.outChannels, g.inChannels, g.kernelHeight, g.kernelWidth];
  const x = image(noise(sizes.x, 1), [g.batch, g.inChannels, g.height, g.width]);
  const w = tf.tensor(
    transpose(noise(sizes.w, 2), weightShape, OIHW_TO_HWIO),
    transposedShape(weightShape, OIHW_TO_HWIO),
  );
  const dy = image(noise(sizes.y, 3), [g.batch, g.outChannels, outHeight(g), outWidth(g)]);
  // A gradient asked for alone runs its own kernel alone, and the forward pass, which `grads` needs:
  // that one's time is taken off below.
  const conv = (input: TfTensor, filter: TfTensor): TfTensor =>
    tf.conv2d(input, filter, g.stride, g.padding);
  const byInput = tf.grads((input) => conv(input, w));
  const byFilter = tf.grads((filter) => conv(x, filter));
  const work = {
    forward: { run: () => conv(x, w), order: NHWC_TO_NCHW },
    data: { run: () => byInput([x], dy)[0], order: NHWC_TO_NCHW },
    weight: { run: () => byFilter([w], dy)[0], order: HWIO_TO_OIHW },
  };
  let forward = { milliseconds: 0, wall: 0 };
  for (const pass of PASSES) {
    const { run, order } = work[pass];
    const result = tf.tidy(run);
    const found = transpose(await result.data(), result.shape, order);
    result.dispose();
    const error = relativeError(found, readArray(job.folder, resultName(shape.name, pass)));
    requireEqual(`tfjs ${pass} of ${shape.name}`, error, CONVOLUTION_TOLERANCE);
    const timing = await repeat(open.submitter, clock, () => tf.dispose(tf.tidy(run)), {
      repeats: 5,
      budget: 4000,
    });
    const [milliseconds, wall] = [timing.time.median, timing.wall];
    if (pass === 'forward') forward = { milliseconds, wall };
    const own = pass === 'forward' ? { milliseconds: 0, wall: 0 } : forward;
    report({
      kind: 'convolution',
      shape: shape.name,
      pass,
      milliseconds: milliseconds - own.milliseconds,
      wallMilliseconds: wall - own.wall,
      spread: timing.time.spread,
      error,
    });
  }
  tf.dispose([x, w, dy]);
}

async function trainingStep(open: OpenTf, clock: Clock, job: Job, shape: StepShape) {
  const name = shapeText(shape);
  const step = new TfjsStep(open.tf, shape, job.folder);
  const expected = readLosses(job.folder, name);
  let error = 0;
  for (let i = 0; i < COMPARED_STEPS; i++) {
    const found = step.take();
    for (const key of ['D', 'G'] as const) {
      const [value] = await found[key].data();
      error = Math.max(error, Math.abs(value / expected[i][key] - 1) || 0);
      if (!Number.isFinite(value)) throw new Error(`tfjs step ${i + 1}: loss ${key} is ${value}`);
      found[key].dispose();
    }
  }
  requireEqual(`tfjs step ${name}`, error, LOSS_TOLERANCE);
  const takeStep = () => {
    const losses = step.take();
    open.tf.dispose([losses.D, losses.G]);
  };
  const options = { sample: 1, repeats: 5, budget: 20_000 };
  const { time, wall } = await repeat(open.submitter, clock, takeStep, options);
  const unaided = await repeat(open.unaided, clock, takeStep, options);
  report({
    kind: 'step',
    shape: name,
    seconds: time.median / 1000,
    wallSeconds: wall / 1000,
    unaidedWallSeconds: unaided.wall / 1000,
    spread: time.spread,
    peakBytes: peakResident(),
    error,
  });
  step.dispose();
}

const job = readJob(process.argv[2]);
const open = await openTf(job.device);
report({ kind: 'about', adapter: open.adapter, version: open.tf.version_core });
const clock = new Clock(open.kind);
for (const shape of job.shapes) await convolutions(open, clock, job, shape);
for (const shape of job.steps) await trainingStep(open, clock, job, shape);
open.tf.backend().device.destroy();
if (!open.instance) throw new Error('Dawn was collected');

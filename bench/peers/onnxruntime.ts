/**
 * ONNX Runtime's part of a comparison, on its WebGPU provider. It infers only, so there is no weight
 * gradient; the data gradient is its transposed convolution.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { outHeight, outWidth } from '../../kernels/conv2d/geometry.ts';
import { openNodeGpu } from '../../src/node.ts';
import { convolutionSizes } from '../cases/convolution.ts';
import { noise } from '../cases/kernel-case.ts';
import { Clock } from '../measure/clock.ts';
import { repeat } from '../measure/repeat.ts';
import { PEERS_FOLDER } from './install.ts';
import {
  CONVOLUTION_TOLERANCE,
  type Job,
  type PeerShape,
  readArray,
  readJob,
  relativeError,
  report,
  requireEqual,
  resultName,
} from './job.ts';
import { type OnnxConvolution, onnxConvolution } from './onnx-model.ts';

interface OrtTensor {
  readonly data: Float32Array;
}

interface OrtSession {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<OrtSession>;
  };
  readonly env: { readonly versions: Readonly<Record<string, string>> };
}

const ort = createRequire(join(PEERS_FOLDER, 'package.json'))('onnxruntime-node') as Ort;

async function convolutions(clock: Clock, job: Job, shape: PeerShape): Promise<void> {
  const g = shape.geometry;
  const sizes = convolutionSizes(g);
  const [rows, columns] = [outHeight(g), outWidth(g)];
  const xShape = [g.batch, g.inChannels, g.height, g.width];
  const yShape = [g.batch, g.outChannels, rows, columns];
  const weight = [g.outChannels, g.inChannels, g.kernelHeight, g.kernelWidth];
  const common = { weight, stride: g.stride, padding: g.padding };
  const left = (size: number, out: number, kernel: number): number =>
    size - ((out - 1) * g.stride - 2 * g.padding + kernel);
  const work = {
    forward: {
      model: { op: 'Conv', input: xShape, output: yShape, ...common } as OnnxConvolution,
      x: noise(sizes.x, 1),
    },
    data: {
      model: {
        op: 'ConvTranspose',
        input: yShape,
        output: xShape,
        ...common,
        outputPadding: [
          left(g.height, rows, g.kernelHeight),
          left(g.width, columns, g.kernelWidth),
        ],
      } as OnnxConvolution,
      x: noise(sizes.y, 3),
    },
  };
  for (const pass of ['forward', 'data'] as const) {
    const { model, x } = work[pass];
    const session = await ort.InferenceSession.create(onnxConvolution(model), {
      executionProviders: ['webgpu'],
      // An operator that falls back to the CPU provider would be timed as something it is not.
      extra: { session: { disable_cpu_ep_fallback: '1' } },
    });
    const feeds = {
      x: new ort.Tensor('float32', x, model.input),
      w: new ort.Tensor('float32', noise(sizes.w, 2), weight),
    };
    const { y } = await session.run(feeds);
    const error = relativeError(y.data, readArray(job.folder, resultName(shape.name, pass)));
    requireEqual(`ONNX Runtime ${pass} of ${shape.name}`, error, CONVOLUTION_TOLERANCE);
    let recorded = 0;
    const { time, wall } = await repeat(
      {
        // Every run uploads its inputs and brings its result back: the Node binding knows no other way.
        // That is work of the main thread, which `cpu` times leave out and wall times do not.
        flush: async () => {
          for (; recorded > 0; recorded--) await session.run(feeds);
        },
        finish: async () => {},
      },
      clock,
      () => recorded++,
      { repeats: 5, budget: 4000 },
    );
    report({
      kind: 'convolution',
      shape: shape.name,
      pass,
      milliseconds: time.median,
      wallMilliseconds: wall,
      spread: time.spread,
      error,
    });
    await session.release();
  }
}

const job = readJob(process.argv[2]);
// Whether its device works on this process's threads is what ours does; ONNX Runtime does not say.
const probe = await openNodeGpu(job.device ? { device: job.device } : {});
const clock = new Clock(probe.profile.kind);
probe.close();
report({
  kind: 'about',
  adapter: 'its own choice (its Dawn, WebGPU provider)',
  version: ort.env.versions.node ?? ort.env.versions.common,
});
for (const shape of job.shapes) await convolutions(clock, job, shape);

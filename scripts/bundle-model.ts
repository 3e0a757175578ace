/**
 * Makes a checkpoint's generator the bundled model, of the demo page and of `npx sonolift enhance`: its
 * weights in half floats, at most 4 MiB, checked against the original on simulated scans.
 *
 *     npm run demo:model -- --checkpoint RUN
 */
import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { simulatePair } from '../src/data/simulator/simulator.ts';
import { CheckpointError, NumericalError } from '../src/errors.ts';
import { writeFileAtomic } from '../src/files.ts';
import type { HostTensor } from '../src/nn/host-tensor.ts';
import { parseSafetensors, serializeSafetensors } from '../src/nn/safetensors.ts';
import { openNodeGpu } from '../src/node.ts';
import { architectureMetadata } from '../src/run/architecture-metadata.ts';
import { enhanceImage } from '../src/run/enhance-image.ts';
import { enhancerFrom } from '../src/run/enhancer.ts';
import type { TensorMap } from '../src/run/method-state.ts';
import {
  describeModel,
  MODEL_WEIGHTS_OPTION,
  type ModelChoice,
  type ModelFile,
  type ModelWeights,
  readModel,
} from '../src/run/model.ts';
import { optionalString, type ProgramSpec, stringOption } from '../src/run/options.ts';
import { runProgram } from '../src/run/program.ts';

const PROGRAM: ProgramSpec = {
  command: 'npm run demo:model --',
  summary: 'Bundles a trained generator with the demo page and with `npx sonolift enhance`.',
  options: {
    checkpoint: { description: 'checkpoint or run folder', what: 'PATH', required: true },
    select: {
      description: 'which checkpoint of a run folder: best on validation, or the latest',
      default: 'best',
      choices: ['best', 'latest'],
    },
    'model-weights': MODEL_WEIGHTS_OPTION,
    out: {
      description: 'file to write',
      what: 'FILE',
      default: 'web/public/models/G_H.safetensors',
    },
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

/** What a page and a package can be expected to carry. */
const LARGEST = 4 * 2 ** 20;
/** Half floats may change a pixel by so much; two grey levels of 8 bits. */
const TOLERANCE = 2 / 255;
const SCANS = 3;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** @throws NumericalError naming a tensor that half floats cannot hold */
function halve(tensors: TensorMap): Map<string, HostTensor> {
  const halves = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const { data, dtype } = tensor;
    if (!(data instanceof Float32Array)) {
      throw new CheckpointError(`${name}: expected floats, found ${dtype}`);
    }
    const most = data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    if (!(most < 65504)) throw new NumericalError(`${name}: ${most} is beyond half floats`);
    halves.set(name, { ...tensor, dtype: 'F16' });
  }
  return halves;
}

/** Largest difference of what the original and the halved weights make of simulated scans. */
async function compare(file: ModelFile, halved: TensorMap, device: string | undefined) {
  const gpu = await openNodeGpu({ device, log: print });
  const [original, small] = await Promise.all(
    [file.tensors, halved].map((tensors) =>
      enhancerFrom(gpu, file.architecture, tensors, file.folder),
    ),
  );
  let largest = 0;
  for (let index = 0; index < SCANS; index++) {
    const { low } = simulatePair(1, index, { size: 128 });
    const expected = await enhanceImage(gpu, original, low);
    const found = await enhanceImage(gpu, small, low);
    expected.data.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value - found.data[i]));
    });
  }
  gpu.close();
  return largest;
}

await runProgram(PROGRAM, async ({ values }) => {
  const file = await readModel(
    stringOption(values, 'checkpoint'),
    stringOption(values, 'select') as ModelChoice,
    optionalString(values, 'model-weights') as ModelWeights | undefined,
  );
  print(`model ${describeModel(file)}`);
  for (const line of file.skipped) print(`passed over: ${line}`);
  const bytes = serializeSafetensors(halve(file.tensors), {
    ...architectureMetadata(file.architecture),
    step: String(file.step),
    card: 'docs/model-card.md',
  });
  if (bytes.length > LARGEST) {
    throw new CheckpointError(
      `${file.folder}: its generator takes ${(bytes.length / 2 ** 20).toFixed(1)} MiB in half floats, at most 4 are bundled: train a narrower one`,
    );
  }
  const { tensors } = parseSafetensors(bytes, 'bundled model');
  const difference = await compare(file, tensors, optionalString(values, 'device'));
  print(
    `half floats change ${SCANS} simulated scans by at most ${(255 * difference).toFixed(2)} of 255`,
  );
  if (!(difference <= TOLERANCE)) {
    throw new NumericalError(
      `half floats change images by ${(255 * difference).toFixed(1)} of 255`,
    );
  }
  const out = stringOption(values, 'out');
  await mkdir(dirname(out), { recursive: true });
  await writeFileAtomic(out, bytes);
  print(`${out}: ${file.architecture.method}, step ${file.step}, ${statSync(out).size} bytes`);
  print('now renew docs/model-card.md: data, attribution, licence, held-out scores');
});

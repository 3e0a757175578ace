/**
 * Compares with tfjs-backend-webgpu, ONNX Runtime's WebGPU provider and PyTorch on the CPU, each in a
 * process of its own, one after the other and several times round, after checking that each computes what ours does.
 *
 *     npm run bench:peers [-- --weights DIR --only tfjs,pytorch --rounds 3 --no-steps --json FILE --markdown FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../src/errors.ts';
import { writeFileAtomic } from '../src/files.ts';
import {
  booleanOption,
  numberOption,
  optionalString,
  type ProgramSpec,
  stringOption,
} from '../src/run/options.ts';
import { runProgram } from '../src/run/program.ts';
import { geometryOf } from './cases/convolution.ts';
import type { ConvolutionLayer } from './cases/convolution-layers.ts';
import { Clock } from './measure/clock.ts';
import { contextLines, loadBefore, machineContext } from './output/context.ts';
import {
  type PeerRun,
  peerConvolutionTable,
  peerLine,
  peerNotes,
  peerStepTable,
} from './output/peer-table.ts';
import { writeSection } from './output/section.ts';
import { installPeers } from './peers/install.ts';
import type { Job, PeerResult, PeerShape } from './peers/job.ts';
import { medianOfRounds } from './peers/rounds.ts';
import { type PeerProgram, runPeer } from './peers/run-peer.ts';
import { PAPER_SHAPE, STEP_SHAPES } from './step/step-shape.ts';

const PEERS = ['tfjs', 'onnxruntime', 'pytorch'] as const;

const PROGRAM: ProgramSpec = {
  command: 'npm run bench:peers --',
  summary:
    'Compares convolutions and whole training steps with tfjs-backend-webgpu, ONNX Runtime (WebGPU) and\n' +
    'PyTorch (CPU), on the same adapter in the same run. The first two are installed into .cache/peers.',
  options: {
    only: { description: 'peers to run, with commas between', default: PEERS.join(',') },
    shapes: { description: 'run only convolutions with this in their name', what: 'TEXT' },
    'no-steps': { description: 'leave training steps out', default: false },
    'largest-step': {
      description: 'leave out training steps of more pixels a side',
      default: 128,
      integer: true,
      min: 32,
    },
    paper: { description: "only the paper's step: 256 px, ngf 64, batch 4", default: false },
    weights: { description: 'folder with SqueezeNet LPIPS weights', what: 'DIR' },
    python: { description: 'Python that has torch', default: 'python3' },
    threads: { description: "PyTorch's threads", default: 2, integer: true, min: 1 },
    rounds: {
      description: 'times that all programs, in turn, measure everything; medians count',
      default: 3,
      integer: true,
      min: 1,
    },
    minutes: { description: 'a peer that takes longer is ended', default: 20, min: 1 },
    json: { description: 'write the results there too', what: 'FILE' },
    markdown: { description: 'put the tables into section "Peers" of this file', what: 'FILE' },
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

const layer = (
  name: string,
  inChannels: number,
  outChannels: number,
  size: number,
  kernel: number,
  stride: number,
): ConvolutionLayer => ({
  name,
  inChannels,
  outChannels,
  height: size,
  width: size,
  kernel,
  stride,
  padding: 1,
});

const SHAPES: readonly PeerShape[] = (
  [
    [layer('3×3 64→64 @64 b4', 64, 64, 64, 3, 1), 4],
    [layer('4×4 s2 64→128 @64 b4', 64, 128, 64, 4, 2), 4],
    [layer('4×4 s2 512→512 @16 b4', 512, 512, 16, 4, 2), 4],
    [layer('3×3 48→192 @15 b4', 48, 192, 15, 3, 1), 4],
    [layer('4×4 s2 256→512 @32 b1', 256, 512, 32, 4, 2), 1],
  ] as const
).map(([each, batch]) => ({ name: each.name, geometry: geometryOf(each, batch) }));

const HERE = dirname(fileURLToPath(import.meta.url));

function programs(only: readonly string[], python: string): PeerProgram[] {
  const typescript = (name: string, file: string): PeerProgram => ({
    name,
    command: process.execPath,
    // This process's own options load TypeScript.
    arguments: [...process.execArgv, join(HERE, 'peers', `${file}.ts`)],
  });
  const known: Record<(typeof PEERS)[number], PeerProgram> = {
    tfjs: typescript('tfjs-backend-webgpu', 'tfjs'),
    onnxruntime: typescript('ONNX Runtime WebGPU', 'onnxruntime'),
    pytorch: {
      name: 'PyTorch CPU',
      command: python,
      arguments: [join(HERE, 'peers', 'pytorch.py')],
    },
  };
  const chosen = only.map((text) => {
    const name = PEERS.find((peer) => peer === text);
    if (!name) throw new UsageError(`--only: expected ${PEERS.join(', ')}, found ${text}`);
    return known[name];
  });
  return [typescript('sonolift', 'sonolift'), ...chosen];
}

await runProgram(PROGRAM, async ({ values }) => {
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const only = stringOption(values, 'only').split(',');
  const chosen = programs(only, stringOption(values, 'python'));
  if (only.some((name) => name !== 'pytorch')) installPeers(print);
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-peers-'));
  try {
    const [device, weights] = [optionalString(values, 'device'), optionalString(values, 'weights')];
    const filter = optionalString(values, 'shapes') ?? '';
    const largest = numberOption(values, 'largest-step');
    const isPaper = booleanOption(values, 'paper');
    const job: Job = {
      folder,
      shapes: isPaper ? [] : SHAPES.filter(({ name }) => name.includes(filter)),
      steps: booleanOption(values, 'no-steps')
        ? []
        : isPaper
          ? [PAPER_SHAPE]
          : STEP_SHAPES.filter(({ size }) => size <= largest),
      threads: numberOption(values, 'threads'),
      ...(device && { device }),
      ...(weights && { weights }),
    };
    const loadLine = await loadBefore();
    const rounds = numberOption(values, 'rounds');
    writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
    const measured = chosen.map((): PeerResult[][] => []);
    for (let round = 1; round <= rounds; round++) {
      if (rounds > 1) print(`round ${round} of ${rounds}`);
      for (const [index, program] of chosen.entries()) {
        const minutes = numberOption(values, 'minutes');
        const results = await runPeer(program, folder, minutes, (result) =>
          print(peerLine(program.name, result)),
        );
        measured[index].push(results);
        const failed = results.some(({ kind }) => kind === 'failure');
        // Without ours there is nothing to compare with; a peer's failure is reported and counted.
        if (failed && index === 0) throw new Error('our own process failed');
        if (failed) process.exitCode = 1;
      }
    }
    const runs: PeerRun[] = chosen.map(({ name }, index) => ({
      name,
      results: medianOfRounds(measured[index]),
    }));
    const about = runs[0].results.find((result) => result.kind === 'about');
    const kind = /llvmpipe|swiftshader|on the CPU/i.test(about?.adapter ?? '') ? 'cpu' : 'gpu';
    const context = machineContext(
      about?.adapter ?? 'unknown',
      new Clock(kind).description,
      'bench:peers',
    );
    const ofRounds = rounds > 1 ? `, the median of ${rounds} rounds in turn` : '';
    const perceptual = weights
      ? 'with SqueezeNet LPIPS'
      : "with SqueezeNet's trunk of random weights";
    const parts = [`${contextLines(context)}\n${loadLine}`, peerNotes(runs).join('\n')];
    if (job.shapes.length) {
      parts.push(
        `Convolutions, GFLOP/s of the direct algorithm${ofRounds}; in brackets, how many times faster ours is:`,
        peerConvolutionTable(job, runs),
      );
    }
    if (job.steps.length) {
      parts.push(
        `Training step of the proposed method ${perceptual}, no dropout, fakes made twice as the authors do${ofRounds}; in brackets, how many times faster ours is; GiB is the most memory resident in the process so far:`,
        peerStepTable(job, runs),
      );
    }
    print(`\n${parts.join('\n\n')}`);
    const json = optionalString(values, 'json');
    if (json) await writeFileAtomic(json, `${JSON.stringify({ context, job, runs }, null, 2)}\n`);
    const markdown = optionalString(values, 'markdown');
    if (markdown) {
      await writeSection(
        markdown,
        isPaper ? "Peers, the paper's step" : 'Peers',
        parts.join('\n\n'),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

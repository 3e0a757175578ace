import { checkPairs } from '../data/check-pairs.ts';
import { noticeOncePerFolder } from '../data/image.node.ts';
import { findPairs, folderSource } from '../data/layout.node.ts';
import { cachePairs, selectPairs } from '../data/pairs.ts';
import { requireSplit, splitPairs } from '../data/split.ts';
import { INTERRUPTED_EXIT_CODE, noteInterruption } from '../interruption.ts';
import { openNodeGpu } from '../node.ts';
import { runProgram } from '../run/program.ts';
import { checkRunFolder } from '../run/run-folder.ts';
import { shellWord } from '../run/shell-word.ts';
import { checkPool } from './check-pool.ts';
import { resolveOptions, TRAIN_PROGRAM, trainConfiguration, trainPlaces } from './configuration.ts';
import { TrainProgress } from './progress.ts';
import { trainRun } from './train-run.ts';

/** Decoded images to keep; further ones are decoded whenever they are needed. */
const CACHE_BYTES = 2 ** 30;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

await runProgram(TRAIN_PROGRAM, async ({ values }) => {
  const configuration = trainConfiguration(values);
  if (values['print-config'] === true) {
    const { config: _, 'print-config': __, ...options } = resolveOptions(values);
    print(JSON.stringify(options, null, 2));
    return;
  }
  const places = trainPlaces(values);
  const pairs = findPairs(places.data);
  const split = splitPairs(pairs, configuration.splitSeed);
  // Decoded once, for the check and for training both.
  const source = cachePairs(folderSource(pairs, noticeOncePerFolder(print)), CACHE_BYTES);
  const train = selectPairs(source, requireSplit(split, 'train', places.data));
  const validation = split.val.length ? selectPairs(source, split.val) : undefined;
  await checkRunFolder(places.out, places.resume);
  print(
    `data ${places.data}: ${pairs.length} pairs, ${split.train.length} train, ${split.val.length} validation, ${split.test.length} test`,
  );
  if (!validation) print('no validation pairs: the last checkpoint will be the result');

  checkPool(values, split.train.length, print);
  const { size, fit } = configuration;
  const used = selectPairs(source, [...split.train, ...split.val]);
  await checkPairs(used, { size, fit, report: print });

  const gpu = await openNodeGpu({
    device: places.device,
    tune: places.tune,
    log: print,
  });
  const isInterrupted = noteInterruption(() =>
    print('\nstopping after this step; the run can be resumed with --resume'),
  );
  const progress = new TrainProgress(configuration, train.pairs.length);
  const result = await trainRun({
    gpu,
    configuration,
    train,
    validation,
    test: selectPairs(source, split.test).pairs,
    runFolder: places.out,
    weights: places.weights,
    resume: places.resume,
    command: [TRAIN_PROGRAM.command, ...process.argv.slice(2).map(shellWord)].join(' '),
    events: { ...progress.events, isInterrupted },
    log: print,
  });
  progress.finish();
  const memory = gpu.memory();
  print(`peak device memory ${(memory.peakBytes / 2 ** 20).toFixed(0)} MiB`);
  print(`selected model ${result.selected}`);
  const [selected, data] = [result.selected, places.data].map(shellWord);
  print(`next: npx tsx src/eval --checkpoint ${selected} --data ${data}`);
  gpu.close();
  if (isInterrupted()) process.exitCode = INTERRUPTED_EXIT_CODE;
});

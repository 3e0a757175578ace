import { sizeOf, tensorFrom } from '../autograd/tensor.ts';
import { checkPairs } from '../data/check-pairs.ts';
import { noticeOncePerFolder } from '../data/image.node.ts';
import { findPairs, folderSource } from '../data/layout.node.ts';
import { PairLoader } from '../data/loader.ts';
import { cachePairs, selectPairs } from '../data/pairs.ts';
import { UsageError } from '../errors.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { openNodeGpu } from '../node.ts';
import { evaluatePairs } from '../run/evaluate.ts';
import { describeModel, methodOf, openModel, readModel } from '../run/model.ts';
import { type PerceptualFile, readPerceptual } from '../run/perceptual.ts';
import { runProgram } from '../run/program.ts';
import { tuneEnhancer } from '../run/tune-enhancer.ts';
import { choosePairs } from './choose-pairs.ts';
import { EVAL_PROGRAM, evaluationPlan } from './configuration.ts';
import { PictureGallery } from './gallery.ts';
import {
  checkEvaluationFolder,
  formatTable,
  summariseEvaluation,
  writeEvaluation,
} from './results.ts';

/** Decoded images to keep; further ones are decoded whenever they are needed. */
const CACHE_BYTES = 2 ** 30;

await runProgram(EVAL_PROGRAM, async ({ values }) => {
  const plan = evaluationPlan(values);
  // With --json, stdout holds the result and nothing else.
  const print = (line: string): void => {
    (plan.json ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const model = await readModel(plan.checkpoint, plan.select, plan.modelWeights);
  for (const line of model.skipped) print(`passed over: ${line}`);
  const pairs = findPairs(plan.data);
  const { indices: chosen, splitSeed, notices } = choosePairs(pairs, plan, model);
  for (const line of notices) print(line);
  const size = plan.size ?? numberOr(model.extra.size, 256);
  const fit = plan.fit ?? (model.extra.fit === 'resize' ? 'resize' : 'crop');
  const { sizeMultiple } = model;
  if (size % sizeMultiple) {
    throw new UsageError(
      `--size ${size}: expected a multiple of ${sizeMultiple}, which the model's halvings need`,
    );
  }
  if (plan.out !== undefined) await checkEvaluationFolder(plan.out);
  const source = cachePairs(
    selectPairs(folderSource(pairs, noticeOncePerFolder(print)), chosen),
    CACHE_BYTES,
  );
  await checkPairs(source, { size, fit, report: print });
  const weights: (PerceptualFile | undefined)[] = [];
  for (const name of plan.perceptual) weights.push(await readPerceptual(name, plan.weights, size));

  const gpu = await openNodeGpu({ device: plan.device, tune: plan.tune, log: print });
  const { method } = await openModel(gpu, model, plan.precision);
  print(`model ${describeModel(model)}`);
  print(
    `data ${plan.data}: ${chosen.length} ${plan.split} pairs of ${pairs.length}, ${fit === 'crop' ? 'centre crops of' : 'resized to'} ${size}x${size}`,
  );
  if (!plan.perceptual.length) {
    print(`no perceptual distance: give --weights DIR for LPIPS, or --perceptual random-features`);
  }
  const perceptual = weights
    .filter((file) => file !== undefined)
    .map((file) => new PerceptualDistance(gpu, file.name, file.weights));
  const imageSize = { batch: plan.batch, height: size, width: size };
  const { architecture } = model;
  const { precision } = plan;
  await tuneEnhancer(gpu, { architecture, precision }, [imageSize], print, (blank) => {
    const shape = [plan.batch, 1, size, size];
    const images = tensorFrom(blank, new Float32Array(sizeOf(shape)), shape);
    for (const file of weights) {
      if (file) new PerceptualDistance(blank, file.name, file.weights).features(images);
    }
  });
  const gallery = plan.out === undefined ? undefined : new PictureGallery(plan.pictures);
  const results = await evaluatePairs(
    gpu,
    method,
    new PairLoader(source, { batch: plan.batch, size, fit, crops: 'centre' }),
    { metrics: plan.metrics, perceptual, onImages: (images) => gallery?.add(images) },
  );
  gpu.close();
  const summary = summariseEvaluation(results, {
    checkpoint: model.folder,
    step: model.step,
    weights: model.weights,
    method: methodOf(model),
    data: plan.data,
    split: plan.split,
    splitSeed,
    size,
    fit,
    precision,
    adapter: gpu.description,
  });
  if (plan.json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  else process.stdout.write(formatTable(summary));
  if (plan.out !== undefined && gallery) {
    await writeEvaluation(plan.out, summary, gallery);
    print(`wrote ${plan.out}`);
  }
});

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

/** A few held-out pairs, enhanced by the generator as it is now. */
import { type GrayImage, scoreImages } from 'sonolift';
import { PairLoader, type PairSource, type TrainingRun } from 'sonolift/train';

export interface Sample {
  readonly name: string;
  readonly low: GrayImage;
  readonly enhanced: GrayImage;
  readonly high: GrayImage;
  readonly scores: Readonly<Record<string, number>>;
  readonly lowScores: Readonly<Record<string, number>>;
}

/** Pairs shown. */
const SHOWN = 3;
const METRICS = ['psnr', 'ssim'];

/** Brings pairs to the size of training, cut from the middle. */
export async function samplePairs(
  source: PairSource,
  { size, fit }: { readonly size: number; readonly fit: 'crop' | 'resize' },
): Promise<{ name: string; low: GrayImage; high: GrayImage }[]> {
  const loader = new PairLoader(source, { batch: 1, size, fit, crops: 'centre' });
  const pairs = [];
  for (let index = 0; index < Math.min(SHOWN, loader.pairCount); index++) {
    const { low, high, organs, names } = await loader.batch(0, index);
    const unit = (values: Float32Array): GrayImage => ({
      width: size,
      height: size,
      data: values.map((value) => Math.min(1, Math.max(0, (value + 1) / 2))),
    });
    pairs.push({ name: `${organs[0]} ${names[0]}`, low: unit(low), high: unit(high) });
  }
  return pairs;
}

export async function enhanceSamples(
  run: TrainingRun,
  pairs: readonly { name: string; low: GrayImage; high: GrayImage }[],
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const { name, low, high } of pairs) {
    const enhanced = await run.enhance(low);
    samples.push({
      name,
      low,
      enhanced,
      high,
      scores: scoreImages(enhanced, high, METRICS),
      lowScores: scoreImages(low, high, METRICS),
    });
  }
  return samples;
}

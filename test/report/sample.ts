import { RandomStream } from '../../src/autograd/philox.ts';
import type { GrayImage } from '../../src/data/image.ts';
import { compareScores } from '../../src/metrics/comparison.ts';
import type { Picture, ReportContent } from '../../src/report/types.ts';

const SIDE = 96;

/** Speckle in layers around a dark cyst; `blur` passes of a 3x3 mean make it look low-end. */
function speckle(seed: number, blur: number, gain: number): GrayImage {
  const random = new RandomStream(seed, 'tissue');
  let data = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const y = Math.floor(i / SIDE);
    const x = i % SIDE;
    const cyst = (x - 50) ** 2 + (y - 40 - 3 * (seed % 4)) ** 2 < 260 ? 0.12 : 1;
    const layer = 0.55 + 0.35 * Math.sin(y / (6 + (seed % 3)) + x / 40);
    return Math.min(1, gain * cyst * layer * Math.hypot(random.normal(), random.normal()) * 0.6);
  });
  for (let pass = 0; pass < blur; pass++) {
    const source = data;
    data = source.map((_, i) => {
      let sum = 0;
      let count = 0;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const y = Math.floor(i / SIDE) + dy;
          const x = (i % SIDE) + dx;
          if (y < 0 || x < 0 || y >= SIDE || x >= SIDE) continue;
          sum += source[y * SIDE + x] as number;
          count++;
        }
      }
      return sum / count;
    });
  }
  return { width: SIDE, height: SIDE, data };
}

function samplePicture(seed: number): Picture {
  return {
    caption: `Simulated pair ${seed}, held out <of training>`,
    low: speckle(seed, 3, 0.7),
    enhanced: speckle(seed, 1, 0.95),
    high: speckle(seed, 0, 1),
    scores: [
      { metric: 'psnr', low: 14.21 + seed / 10, enhanced: 17.04 + seed / 9 },
      { metric: 'ssim', low: 0.31, enhanced: seed % 2 === 0 ? 0.29 : 0.42 },
    ],
  };
}

/** Every part of a report with made-up numbers, for tests and for looking at. */
export function sampleContent(): ReportContent {
  const random = new RandomStream(2, 'sample');
  const scores = (centre: number, spread: number) =>
    Array.from({ length: 24 }, () => centre + spread * random.normal());
  const compare = (metric: string, low: number, model: number, spread: number) =>
    compareScores(metric, scores(low, spread), scores(model, spread), random);
  const steps = Array.from({ length: 300 }, (_, i) => i + 1);
  const falling = (start: number, end: number, noise: number) =>
    steps.map((s) => end + (start - end) * Math.exp(-s / 60) + noise * random.normal());
  const checks = steps.filter((s) => s % 20 === 0);
  return {
    title: 'First run: proposed method on simulated pairs',
    subtitle: '300 steps, 64 px crops, 3 min 12 s',
    command: 'npm start',
    scoredOn: '24 held-out simulated pairs',
    adapter: 'SwiftShader (CPU), Vulkan 1.3, 8 lanes',
    configuration: {
      method: 'proposed',
      size: 64,
      ngf: 16,
      batch: 4,
      shuffle: true,
      resume: null,
      adam: { lr: 3e-4, betas: [0.9, 0.999] },
      perceptual: { trunk: 'random-features', weight: 10 },
    },
    curves: [
      {
        title: 'Generator loss terms',
        hint: 'Faint: every step. Strong: moving average.',
        xLabel: 'step',
        x: steps,
        smooth: true,
        series: [
          { name: 'L1', values: falling(0.9, 0.25, 0.04) },
          { name: 'perceptual', values: falling(0.7, 0.4, 0.02) },
          { name: 'adversarial', values: falling(0.8, 0.68, 0.06) },
        ],
      },
      {
        title: 'Discriminator loss',
        hint: 'Near ln 2 = 0.69 the discriminator is guessing; near 0 it has won.',
        xLabel: 'step',
        x: steps,
        smooth: true,
        series: [
          { name: 'real', values: falling(0.7, 0.5, 0.06) },
          { name: 'generated', values: falling(0.7, 0.56, 0.06) },
        ],
      },
      {
        title: 'PSNR on validation pairs (dB)',
        hint: 'Higher is better.',
        xLabel: 'step',
        x: checks,
        series: [
          { name: 'model', values: checks.map((s) => 17.6 - 4 * Math.exp(-s / 50)) },
          { name: 'reference low', values: checks.map(() => 15.06) },
        ],
      },
      {
        title: 'Seconds per step',
        xLabel: 'step',
        x: steps,
        scale: 'log',
        series: [
          {
            name: 'seconds',
            values: steps.map((s) => (s === 1 ? 4 : 0.6 + 0.05 * random.uniform())),
          },
        ],
      },
    ],
    scores: [
      compare('psnr', 15.06, 17.7, 0.9),
      compare('ssim', 0.247, 0.315, 0.05),
      compare('lncc_paper', 0.832, 0.845, 0.05),
      compare('lncc', 0.2, 0.18, 0.02),
      compare('random_features', 0.365, 0.242, 0.03),
    ],
    pictures: [1, 2, 3, 4].map(samplePicture),
    notes: [
      'The images are simulated: good scores here say that training works, not that clinical images improve.',
      'LNCC (paper) is close to a cosine similarity of raw intensities; read LNCC for structure.',
      'The perceptual loss used random features, a bundled trunk that is not LPIPS.',
    ],
  };
}

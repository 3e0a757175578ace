/**
 * Trains a small GAN on pairs in memory and saves its generator.
 *
 *     npx tsx examples/01-train.ts generator.safetensors
 *
 * A page does the same with pairs of ImageData, and keeps the bytes where it likes.
 */
import { writeFileSync } from 'node:fs';
import { openGpu, scoreImages } from 'sonolift';
import { PairTrainer, simulatePair } from 'sonolift/train';

const [file = 'generator.safetensors', steps = '60'] = process.argv.slice(2);
const pairs = Array.from({ length: 16 }, (_, index) => simulatePair(1, index, { size: 64 }));

const gpu = await openGpu();
const trainer = new PairTrainer(gpu, pairs, {
  size: 64,
  batch: 4,
  learningRate: 2e-3,
  method: { ngf: 8, ndf: 8, levels: 5 },
});
while (trainer.step < Number(steps)) {
  const { step, losses } = await trainer.trainStep();
  if (step % 10 === 0)
    console.log(`step ${step}: G ${losses.G.toFixed(2)}, D ${losses.D.toFixed(3)}`);
}

const heldOut = simulatePair(1, 100, { size: 64 });
const enhanced = await trainer.enhance(heldOut.low);
console.log('low quality', scoreImages(heldOut.low, heldOut.high, ['psnr', 'ssim']));
console.log('enhanced   ', scoreImages(enhanced, heldOut.high, ['psnr', 'ssim']));

writeFileSync(file, await trainer.exportGenerator());
console.log(`saved ${file}`);
trainer.dispose();
gpu.close();

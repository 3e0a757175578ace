/**
 * Enhances an image with a trained generator.
 *
 *     npx tsx examples/02-enhance.ts generator.safetensors scan.png enhanced.png
 *
 * The generator is what example 1 saves, or `G_H.safetensors` of a checkpoint. A page gives
 * `loadGenerator` an address, and `enhance` an ImageData, a canvas, a picture or a video.
 */
import { readFileSync } from 'node:fs';
import { loadGenerator, openGpu, readImage, writePng } from 'sonolift';

const [generator = 'generator.safetensors', input = 'scan.png', output = 'enhanced.png'] =
  process.argv.slice(2);

const gpu = await openGpu();
gpu.onLost(({ message }) => console.error(`the GPU went away: ${message}; open it again`));
const model = await loadGenerator(gpu, readFileSync(generator));
const enhanced = await model.enhance(await readImage(input), {
  tile: 512,
  onProgress: (done, total) => console.log(`tile ${done} of ${total}`),
  signal: AbortSignal.timeout(60_000),
});
writePng(output, enhanced);
console.log(`saved ${output} (${enhanced.width}x${enhanced.height})`);
model.dispose();
gpu.close();

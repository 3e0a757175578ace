import { lpipsTapBackward, lpipsTapForward } from '../../kernels/lpips.ts';
import {
  lpipsDistanceBackward,
  lpipsDistanceForward,
} from '../../src/autograd/reference/lpips-distance.ts';
import { type HostArray, hostArray } from '../../src/autograd/registry/row.ts';
import { Comparator, type KernelCase, noise, singleKernel, spreadOut } from './kernel-case.ts';

/** Taps of VGG (first, third) and SqueezeNet (second, last) at 256 px: channels and size. */
const TAPS = [
  { name: 'vgg.1', channels: 64, size: 256 },
  { name: 'vgg.3', channels: 256, size: 64 },
  { name: 'squeeze.2', channels: 128, size: 63 },
  { name: 'squeeze.7', channels: 512, size: 15 },
] as const;

const CHECKED_PIXELS = 200;

/** One pixel of `[N,C,pixels]` with all its channels, as an image. */
function pixelOf(data: Float32Array, channels: number, pixels: number, at: number): HostArray {
  const [image, pixel] = [Math.floor(at / pixels), at % pixels];
  return hostArray(
    [1, channels, 1, 1],
    Float64Array.from(
      { length: channels },
      (_, c) => data[(image * channels + c) * pixels + pixel],
    ),
  );
}

function tapCases({ name, channels, size }: (typeof TAPS)[number], batch: number): KernelCase[] {
  const pixels = size * size;
  const spec = { batch, channels, pixels };
  const elements = batch * channels * pixels;
  const shape = `${batch}×${channels} @${size}×${size}`;
  const data = () => {
    // Features come out of a ReLU.
    const features = (seed: number) => noise(elements, seed).map((value) => Math.max(value, 0));
    return { first: features(1), second: features(2), weights: noise(channels, 3).map(Math.abs) };
  };
  return [
    {
      name: `lpips forward ${name} b${batch}`,
      shape,
      bytes: (2 * elements + batch * pixels) * 4,
      prepare(profile) {
        const { first, second, weights } = data();
        return {
          plan: singleKernel(lpipsTapForward(spec, profile), 3),
          inputs: [first, second, weights],
          outputs: [batch * pixels],
          check: ([map]) => {
            const comparator = new Comparator();
            for (const at of spreadOut(batch * pixels, CHECKED_PIXELS)) {
              const [f0, f1] = [first, second].map((f) => pixelOf(f, channels, pixels, at));
              const { data: expected } = lpipsDistanceForward(
                f0,
                f1,
                hostArray([channels], weights),
              );
              comparator.add(map, at, expected);
            }
            return comparator.result(1e-5);
          },
        };
      },
    },
    {
      name: `lpips backward ${name} b${batch}`,
      shape,
      bytes: 3 * elements * 4,
      // Both features for the norms; both again, and the gradient.
      passBytes: 5 * elements * 4,
      prepare(profile) {
        const { first, second, weights } = data();
        const cotangent = noise(batch, 4);
        return {
          plan: singleKernel(lpipsTapBackward(spec, profile), 4),
          inputs: [first, second, weights, cotangent],
          outputs: [elements],
          check: ([gradient]) => {
            const comparator = new Comparator();
            for (const at of spreadOut(batch * pixels, CHECKED_PIXELS)) {
              const [image, pixel] = [Math.floor(at / pixels), at % pixels];
              const [f0, f1] = [first, second].map((f) => pixelOf(f, channels, pixels, at));
              // The reference takes the mean over its one pixel, the kernel over all.
              const share = hostArray([1], [cotangent[image] / pixels]);
              const [, expected] = lpipsDistanceBackward(
                f0,
                f1,
                hostArray([channels], weights),
                share,
              );
              expected.data.forEach((value, c) => {
                comparator.add(gradient, (image * channels + c) * pixels + pixel, [value]);
              });
            }
            return comparator.result(1e-4);
          },
        };
      },
    },
  ];
}

/** LPIPS taps: normalise, difference, weigh, sum; and the gradient. */
export function lpipsCases(batches: readonly number[]): KernelCase[] {
  return TAPS.flatMap((tap) => batches.flatMap((batch) => tapCases(tap, batch)));
}

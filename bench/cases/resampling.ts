import {
  type GridSampleSpec,
  gridSampleForward,
  gridSampleGridGradient,
} from '../../kernels/grid-sample.ts';
import { gridSampleInputGradient } from '../../kernels/grid-sample-input-gradient.ts';
import { maxPool2dBackward, maxPool2dForward } from '../../kernels/max-pool2d.ts';
import { resizeBackward, resizeForward } from '../../kernels/resize.ts';
import {
  gridSampleGradientReference,
  gridSampleReference,
} from '../../src/autograd/reference/grid-sample.ts';
import {
  maxPoolGradientReference,
  maxPoolReference,
} from '../../src/autograd/reference/max-pool2d.ts';
import { resizeGradientReference, resizeReference } from '../../src/autograd/reference/resize.ts';
import { type HostArray, hostArray } from '../../src/autograd/registry/row.ts';
import { Comparator, type KernelCase, noise, singleKernel, spreadOut } from './kernel-case.ts';

/** Planes that are compared. */
const CHECKED_PLANES = 6;

/** Compares sampled planes of `found` with what the reference makes of the same planes. */
function checkPlanes(
  found: Float32Array,
  planes: number,
  reference: (plane: number) => HostArray,
  tolerance: number,
) {
  const comparator = new Comparator();
  const pixels = found.length / planes;
  for (const plane of spreadOut(planes, CHECKED_PLANES)) {
    comparator.add(found, plane * pixels, reference(plane).data);
  }
  return comparator.result(tolerance);
}

function planeOf(data: Float32Array, plane: number, height: number, width: number): HostArray {
  const pixels = height * width;
  return hostArray([1, 1, height, width], data.subarray(plane * pixels, (plane + 1) * pixels));
}

/** Bilinear doubling, as between the levels of a resize-convolution decoder. */
function resizeCases(batch: number): KernelCase[] {
  const [channels, size] = [64, 64];
  const planes = batch * channels;
  const out = 2 * size;
  const spec = {
    mode: 'bilinear',
    planes,
    height: size,
    width: size,
    outputHeight: out,
    outputWidth: out,
  } as const;
  const bytes = planes * (size * size + out * out) * 4;
  const shape = `${batch}×${channels} @${size}×${size} ↔ ${out}×${out}`;
  return [
    {
      name: `resize forward bilinear b${batch}`,
      shape,
      bytes,
      prepare() {
        const x = noise(planes * size * size, 1);
        return {
          plan: singleKernel(resizeForward(spec), 1),
          inputs: [x],
          outputs: [planes * out * out],
          check: ([y]) =>
            checkPlanes(
              y,
              planes,
              (plane) => resizeReference('bilinear', planeOf(x, plane, size, size), out, out),
              1e-5,
            ),
        };
      },
    },
    {
      name: `resize backward bilinear b${batch}`,
      shape,
      bytes,
      prepare() {
        const dy = noise(planes * out * out, 1);
        const x = hostArray([1, 1, size, size]);
        return {
          plan: singleKernel(resizeBackward(spec), 1),
          inputs: [dy],
          outputs: [planes * size * size],
          check: ([dx]) =>
            checkPlanes(
              dx,
              planes,
              (plane) => resizeGradientReference('bilinear', x, planeOf(dy, plane, out, out)),
              1e-5,
            ),
        };
      },
    },
  ];
}

/** A position moved clear of pixel centres, where the gradient jumps and rounding decides the side. */
function clear(pixel: number): number {
  const whole = Math.floor(pixel);
  return whole + 0.1 + 0.8 * (pixel - whole);
}

/** A registration network's warp: one channel, 256×256, smooth displacements of a few pixels. */
function gridSampleCases(batch: number): KernelCase[] {
  const size = 256;
  const pixels = size * size;
  const options = { alignCorners: false, paddingMode: 'border' } as const;
  const spec: GridSampleSpec = {
    batch,
    channels: 1,
    height: size,
    width: size,
    outputHeight: size,
    outputWidth: size,
    ...options,
  };
  const grids = Float32Array.from({ length: batch * pixels * 2 }, (_, i) => {
    const [column, row] = [Math.floor(i / 2) % size, Math.floor(i / 2 / size) % size];
    const shift = 3.3 * Math.sin(row / 27.1) * Math.cos(column / 25.3) + 0.37;
    return (2 * clear(i % 2 === 0 ? column + shift : row - shift) + 1) / size - 1;
  });
  const gridOf = (image: number): HostArray =>
    hostArray([1, size, size, 2], grids.subarray(image * pixels * 2, (image + 1) * pixels * 2));
  const shape = `${batch}×1 @${size}×${size}`;
  const gradients = (image: number, x: Float32Array, dy: Float32Array): HostArray[] =>
    gridSampleGradientReference(
      planeOf(x, image, size, size),
      gridOf(image),
      options,
      planeOf(dy, image, size, size),
    ) as HostArray[];
  const data = () => ({ x: noise(batch * pixels, 1), dy: noise(batch * pixels, 2) });
  return [
    {
      name: `grid-sample forward b${batch}`,
      shape,
      bytes: 4 * batch * pixels * 4,
      prepare() {
        const { x } = data();
        return {
          plan: singleKernel(gridSampleForward(spec), 2),
          inputs: [x, grids],
          outputs: [batch * pixels],
          check: ([y]) =>
            checkPlanes(
              y,
              batch,
              (image) => gridSampleReference(planeOf(x, image, size, size), gridOf(image), options),
              1e-3,
            ),
        };
      },
    },
    {
      name: `grid-sample input-gradient b${batch}`,
      shape,
      bytes: 4 * batch * pixels * 4,
      prepare(profile) {
        const { x, dy } = data();
        return {
          plan: gridSampleInputGradient(spec, profile),
          inputs: [grids, dy],
          outputs: [batch * pixels],
          check: ([dx]) => checkPlanes(dx, batch, (image) => gradients(image, x, dy)[0], 1e-3),
        };
      },
    },
    {
      name: `grid-sample grid-gradient b${batch}`,
      shape,
      bytes: 6 * batch * pixels * 4,
      prepare() {
        const { x, dy } = data();
        return {
          plan: singleKernel(gridSampleGridGradient(spec), 3),
          inputs: [x, grids, dy],
          outputs: [batch * pixels * 2],
          check: ([dgrid]) =>
            checkPlanes(dgrid, batch, (image) => gradients(image, x, dy)[1], 1e-3),
        };
      },
    },
  ];
}

/** The trunks' pooling: VGG's 2×2 and SqueezeNet's overlapping 3×3. */
const POOLS = [
  { name: 'vgg', kernel: 2, stride: 2, channels: 64, size: 256, out: 128 },
  { name: 'squeezenet', kernel: 3, stride: 2, channels: 64, size: 127, out: 63 },
] as const;

function poolCases(
  { name, kernel, stride, channels, size, out }: (typeof POOLS)[number],
  batch: number,
): KernelCase[] {
  const planes = batch * channels;
  const spec = {
    planes,
    height: size,
    width: size,
    outputHeight: out,
    outputWidth: out,
    kernel,
    stride,
    padding: 0,
  };
  const attributes = { kernel, stride, padding: 0 };
  const shape = `${batch}×${channels} @${size}×${size}, ${kernel}×${kernel} s${stride}`;
  const [inputs, outputs] = [planes * size * size, planes * out * out];
  return [
    {
      name: `max-pool forward ${name} b${batch}`,
      shape,
      bytes: (inputs + outputs) * 4,
      prepare(profile) {
        const x = noise(inputs, 1);
        return {
          plan: singleKernel(maxPool2dForward(spec, profile), 1),
          inputs: [x],
          outputs: [outputs],
          check: ([y]) =>
            checkPlanes(
              y,
              planes,
              (plane) =>
                maxPoolReference(planeOf(x, plane, size, size), attributes, [1, 1, out, out]),
              0,
            ),
        };
      },
    },
    {
      name: `max-pool backward ${name} b${batch}`,
      shape,
      bytes: (2 * inputs + outputs) * 4,
      prepare(profile) {
        const [x, dy] = [noise(inputs, 1), noise(outputs, 2)];
        return {
          plan: maxPool2dBackward(spec, profile),
          inputs: [x, dy],
          outputs: [inputs],
          check: ([dx]) =>
            checkPlanes(
              dx,
              planes,
              (plane) =>
                maxPoolGradientReference(
                  planeOf(x, plane, size, size),
                  attributes,
                  planeOf(dy, plane, out, out),
                ),
              1e-5,
            ),
        };
      },
    },
  ];
}

/** Resize, warp, pooling. */
export function resamplingCases(batches: readonly number[]): KernelCase[] {
  return batches.flatMap((batch) => [
    ...resizeCases(batch),
    ...gridSampleCases(batch),
    ...POOLS.flatMap((pool) => poolCases(pool, batch)),
  ]);
}

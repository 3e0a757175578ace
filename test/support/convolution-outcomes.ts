import { type Activation, NONE } from '../../kernels/activation.ts';
import type { ConvolutionRequest } from '../../kernels/conv2d/convolution-request.ts';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import {
  type ChannelSlice,
  type ConvGeometry,
  type ConvolutionPass,
  outHeight,
  outWidth,
} from '../../kernels/conv2d/geometry.ts';
import { GRADIENT_WAYS } from '../../kernels/conv2d/gradient-ways.ts';
import { convolutionVariants } from '../../kernels/conv2d/variants.ts';
import type { Plan } from '../../kernels/kernel.ts';
import type { RandomStream } from '../../src/autograd/philox.ts';
import {
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { type HostArray, hostArray, randomArray } from '../../src/autograd/registry/row.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';

/* All passes of a convolution by a kernel variant of one's choice, beside the f64 reference. */

export interface KernelCase {
  readonly image: readonly [number, number, number, number];
  readonly rows: number;
  /** Taps a side. */
  readonly kernel: number;
  readonly stride: number;
  readonly padding?: number;
  readonly reflect?: boolean;
  readonly bias?: boolean;
  readonly activation?: Activation;
  /** Whether gradients are added to what their tensors hold. */
  readonly accumulate?: boolean;
  /** Channels of a larger tensor that y and dy are. */
  readonly slice?: ChannelSlice;
}

export function geometryOf({
  image,
  rows,
  kernel,
  stride,
  padding = 1,
  reflect,
}: KernelCase): ConvGeometry {
  const [batch, inChannels, height, width] = image;
  return {
    batch,
    inChannels,
    height,
    width,
    outChannels: rows,
    kernelHeight: kernel,
    kernelWidth: kernel,
    stride,
    padding,
    paddingMode: reflect ? 'reflect' : 'zeros',
  };
}

/** What a plan makes of host arrays in an output that holds `before`. */
export async function outputOf(
  gpu: Gpu,
  plan: Plan,
  inputs: readonly HostArray[],
  before: HostArray,
): Promise<Float32Array> {
  const storages = inputs.map(({ data }) => gpu.upload(Float32Array.from(data)));
  const output = gpu.upload(Float32Array.from(before.data));
  gpu.runPlan(plan, storages, [output]);
  const found = new Float32Array(await gpu.read(output, before.data.length));
  for (const storage of [...storages, output]) gpu.dispose(storage);
  return found;
}

/** Puts `[N,C,H,W]` into channels of `whole`, or, with `back`, takes it from there. */
function exchange(part: HostArray, whole: HostArray, slice: ChannelSlice, back = false): void {
  const [batch, channels, height, width] = part.shape;
  const length = channels * height * width;
  for (let n = 0; n < batch; n++) {
    const start = (n * slice.channels + slice.first) * height * width;
    if (back) part.data.set(whole.data.subarray(start, start + length), n * length);
    else whole.data.set(part.data.subarray(n * length, (n + 1) * length), start);
  }
}

export interface Outcome {
  readonly pass: ConvolutionPass;
  readonly found: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
}

/**
 * What every pass finds, and what it should; tensors that are overwritten hold NaN before.
 * @param variant name of what is run, which must be right for the passes
 */
export async function outcomes(
  gpu: Gpu,
  each: KernelCase,
  random: RandomStream,
  variant: string,
  passes: readonly ConvolutionPass[] = ['forward', 'data-gradient', 'weight-gradient'],
): Promise<Outcome[]> {
  const g = geometryOf(each);
  const { bias = false, activation = NONE, accumulate = false, slice } = each;
  const attributes = {
    stride: g.stride,
    padding: g.padding,
    paddingMode: g.paddingMode,
    outputPadding: 0,
    activation,
  };
  const image = randomArray(random, each.image);
  const scale = (each.kernel ** 2 * g.inChannels) ** -0.5;
  const weight = randomArray(
    random,
    [g.outChannels, g.inChannels, each.kernel, each.kernel],
    scale,
  );
  const biases = randomArray(random, [g.outChannels]);
  const outShape = [g.batch, g.outChannels, outHeight(g), outWidth(g)];
  const dy = randomArray(random, outShape);
  const fresh = (shape: readonly number[]) => hostArray(shape).data.fill(Number.NaN);
  const results: Outcome[] = [];
  const planOf = (request: ConvolutionRequest): Plan => {
    const found = convolutionVariants(request, gpu.profile).find(({ name }) => name === variant);
    if (!found) throw new RangeError(`${variant} is no way to do ${JSON.stringify(each)}`);
    return found.plan();
  };

  const wholeShape = [g.batch, slice?.channels ?? g.outChannels, outHeight(g), outWidth(g)];
  const place = slice ?? { first: 0, channels: g.outChannels };
  if (passes.includes('forward')) {
    const inputs = bias ? [image, weight, biases] : [image, weight];
    const plan = planOf({ pass: 'forward', geometry: g, epilogue: { bias, activation }, slice });
    const made = await outputOf(gpu, plan, inputs, hostArray(wholeShape, fresh(wholeShape)));
    const found = hostArray(outShape);
    exchange(found, hostArray(wholeShape, Float64Array.from(made)), place, true);
    const { data } = conv2dForwardReference(inputs, attributes);
    results.push({ pass: 'forward', found: found.data, expected: data });
  }
  const [dx, dw] = conv2dBackwardReference(
    [image, weight],
    { ...attributes, activation: NONE },
    dy,
  );
  const seen = hostArray(wholeShape, fresh(wholeShape));
  exchange(dy, seen, place);
  const gradient = async (
    pass: ConvolutionPass,
    expected: HostArray,
    inputs: HostArray[],
    plan: () => Plan,
  ): Promise<void> => {
    if (!passes.includes(pass)) return;
    const before = accumulate
      ? randomArray(random, expected.shape)
      : hostArray(expected.shape, fresh(expected.shape));
    const total = accumulate ? expected.data.map((v, i) => v + before.data[i]) : expected.data;
    results.push({ pass, found: await outputOf(gpu, plan(), inputs, before), expected: total });
  };
  const request = { geometry: g, epilogue: NO_EPILOGUE, accumulate, gradients: GRADIENT_WAYS };
  await gradient('data-gradient', dx, [seen, weight], () =>
    planOf({ ...request, pass: 'data-gradient', slice }),
  );
  await gradient('weight-gradient', dw, [image, dy], () =>
    planOf({ ...request, pass: 'weight-gradient' }),
  );
  return results;
}

/** Largest and root mean square error, in units of the result's root mean square; NaN counts as infinite. */
export function errorsOf({ found, expected }: Pick<Outcome, 'found' | 'expected'>): {
  largest: number;
  typical: number;
} {
  let [largest, squares, reference] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i] - expected[i]);
    const error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    largest = Math.max(largest, error);
    squares += error * error;
    reference += expected[i] * expected[i];
  }
  const scale = Math.sqrt(reference / expected.length);
  return { largest: largest / scale, typical: Math.sqrt(squares / expected.length) / scale };
}

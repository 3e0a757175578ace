/** Minimal filtering of 4×4 kernels, at strides 1 and 2: all three passes against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Activation, NONE } from '../../kernels/activation.ts';
import { conv2dDataGradient } from '../../kernels/conv2d/data-gradient.ts';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { conv2dForward, forwardCorrelation } from '../../kernels/conv2d/forward.ts';
import {
  type ChannelSlice,
  type ConvGeometry,
  outHeight,
  outWidth,
} from '../../kernels/conv2d/geometry.ts';
import { type RegisterVariant, registerVariants } from '../../kernels/conv2d/register-variants.ts';
import { conv2dWeightGradient } from '../../kernels/conv2d/weight-gradient.ts';
import { allowsWinograd } from '../../kernels/conv2d/winograd/prefers.ts';
import type { AdapterProfile, Plan } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import {
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { type HostArray, hostArray, randomArray } from '../../src/autograd/registry/row.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('winograd of 4×4 kernels');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

interface Case {
  readonly image: readonly [number, number, number, number];
  readonly rows: number;
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

function geometryOf({ image, rows, stride, padding = 1, reflect }: Case): ConvGeometry {
  const [batch, inChannels, height, width] = image;
  return {
    batch,
    inChannels,
    height,
    width,
    outChannels: rows,
    kernelHeight: 4,
    kernelWidth: 4,
    stride,
    padding,
    paddingMode: reflect ? 'reflect' : 'zeros',
  };
}

const isOnAdapter = (each: Case): boolean =>
  allowsWinograd(forwardCorrelation(geometryOf(each), NO_EPILOGUE), gpu.profile);

async function run(plan: Plan, inputs: readonly HostArray[], before: HostArray) {
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

interface Outcome {
  readonly pass: string;
  readonly found: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
}

/** What every pass finds, and what it should; tensors that are overwritten hold NaN before. */
async function outcomes(each: Case, random: RandomStream, variant: RegisterVariant) {
  const g = geometryOf(each);
  const { bias = false, activation = NONE, accumulate = false, slice } = each;
  const { profile } = gpu;
  const attributes = {
    stride: g.stride,
    padding: g.padding,
    paddingMode: g.paddingMode,
    outputPadding: 0,
    activation,
  };
  const image = randomArray(random, each.image);
  const scale = (16 * g.inChannels) ** -0.5;
  const weight = randomArray(random, [g.outChannels, g.inChannels, 4, 4], scale);
  const biases = randomArray(random, [g.outChannels]);
  const outShape = [g.batch, g.outChannels, outHeight(g), outWidth(g)];
  const dy = randomArray(random, outShape);
  const fresh = (shape: readonly number[]) => hostArray(shape).data.fill(Number.NaN);
  const results: Outcome[] = [];

  const forwardInputs = bias ? [image, weight, biases] : [image, weight];
  const y = conv2dForwardReference(forwardInputs, attributes);
  const wholeShape = [g.batch, slice?.channels ?? g.outChannels, outHeight(g), outWidth(g)];
  const whole = hostArray(wholeShape, fresh(wholeShape));
  const plan = conv2dForward(g, { bias, activation }, profile, slice, variant);
  const made = await run(plan, forwardInputs, whole);
  const found = hostArray(outShape);
  exchange(found, hostArray(wholeShape, Float64Array.from(made)), slice ?? wholeSlice(g), true);
  results.push({ pass: 'forward', found: found.data, expected: y.data });

  const [dx, dw] = conv2dBackwardReference(
    [image, weight],
    { ...attributes, activation: NONE },
    dy,
  );
  const seen = hostArray(wholeShape, fresh(wholeShape));
  exchange(dy, seen, slice ?? wholeSlice(g));
  const gradient = async (pass: string, expected: HostArray, inputs: HostArray[], plan: Plan) => {
    const before = accumulate
      ? randomArray(random, expected.shape)
      : hostArray(expected.shape, fresh(expected.shape));
    const total = accumulate ? expected.data.map((v, i) => v + before.data[i]) : expected.data;
    results.push({ pass, found: await run(plan, inputs, before), expected: total });
  };
  const options = { slice, accumulate, variant };
  await gradient(
    'data gradient',
    dx,
    [seen, weight],
    conv2dDataGradient(g, NO_EPILOGUE, profile, options),
  );
  await gradient(
    'weight gradient',
    dw,
    [image, dy],
    conv2dWeightGradient(g, accumulate, profile, variant),
  );
  return results;
}

const wholeSlice = (g: ConvGeometry): ChannelSlice => ({ first: 0, channels: g.outChannels });

/** Largest and root mean square error, in units of the result's root mean square. */
function errorsOf({ found, expected }: Outcome): { largest: number; typical: number } {
  let [largest, squares, reference] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(found[i] - expected[i]);
    if (!(error <= largest)) largest = error;
    squares += error * error;
    reference += expected[i] * expected[i];
  }
  const scale = Math.sqrt(reference / expected.length);
  return { largest: largest / scale, typical: Math.sqrt(squares / expected.length) / scale };
}

const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };

const CASES: readonly Case[] = [
  { image: [1, 4, 8, 8], rows: 4, stride: 2 },
  { image: [2, 8, 12, 16], rows: 12, stride: 2, bias: true, activation: LEAKY },
  { image: [1, 12, 10, 14], rows: 20, stride: 2, accumulate: true },
  { image: [1, 4, 9, 11], rows: 8, stride: 2, reflect: true },
  { image: [2, 8, 16, 24], rows: 4, stride: 2, reflect: true, bias: true, accumulate: true },
  { image: [1, 4, 12, 8], rows: 4, stride: 2, padding: 0 },
  { image: [1, 4, 7, 6], rows: 4, stride: 2, padding: 2, accumulate: true },
  { image: [1, 4, 12, 12], rows: 8, stride: 2, padding: 3 },
  { image: [2, 4, 8, 12], rows: 8, stride: 2, slice: { first: 3, channels: 12 } },
  // Several blocks of tiles, and more than one chunk of them.
  { image: [3, 64, 40, 36], rows: 36, stride: 2, bias: true },
  { image: [1, 4, 8, 8], rows: 4, stride: 1 },
  { image: [2, 8, 11, 13], rows: 12, stride: 1, reflect: true, bias: true, activation: LEAKY },
  { image: [1, 8, 6, 9], rows: 20, stride: 1, padding: 2, accumulate: true },
  { image: [2, 4, 9, 8], rows: 8, stride: 1, slice: { first: 1, channels: 10 } },
];

suite('every way of padding, slicing and finishing agrees with the reference', async () => {
  const random = new RandomStream(11, 'winograd');
  for (const each of CASES.filter(isOnAdapter)) {
    for (const outcome of await outcomes(each, random, 'winograd')) {
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-5, `${JSON.stringify(each)} ${outcome.pass}: error ${largest}`);
    }
  }
  assert.ok(isOnAdapter(CASES[0]) || gpu.profile.kind === 'gpu' || !gpu.profile.subgroupSize);
});

/*
 * Bounds of the rounding error relative to the root mean square of the result; normal pixels and weights.
 * About 1.5 times what lavapipe and SwiftShader showed: `docs/kernels.md` has the figures.
 */
const BOUNDS = [
  { stride: 2, channels: 64, largest: 7e-6, typical: 1.5e-6 },
  { stride: 2, channels: 256, largest: 1.3e-5, typical: 2.6e-6 },
  { stride: 1, channels: 64, largest: 2.7e-5, typical: 3.6e-6 },
  { stride: 1, channels: 256, largest: 5.6e-5, typical: 6e-6 },
] as const;

suite('rounding errors stay within their bounds', async () => {
  for (const { stride, channels, ...bounds } of BOUNDS) {
    const each: Case = { image: [1, channels, 16, 16], rows: 16, stride };
    if (!isOnAdapter(each)) continue;
    const errors = async (variant: RegisterVariant) => {
      const random = new RandomStream(12, 'winograd');
      return (await outcomes(each, random, variant)).map((outcome) => ({
        pass: outcome.pass,
        ...errorsOf(outcome),
      }));
    };
    const [found, direct] = [await errors('winograd'), await errors('direct')];
    found.forEach(({ pass, largest, typical }, index) => {
      const shown = (value: { largest: number; typical: number }): string =>
        `largest ${value.largest.toExponential(1)}, rms ${value.typical.toExponential(1)}`;
      const text = `stride ${stride}, ${channels} channels, ${pass}: ${shown({ largest, typical })}; direct ${shown(direct[index])}`;
      if (process.env.SHOW_ERRORS) process.stdout.write(`${text}\n`);
      assert.ok(largest < bounds.largest && typical < bounds.typical, text);
    });
  }
});

suite('layers are given to Winograd where it pays, and nowhere else', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const chosen = (each: Case, change: Partial<ConvGeometry> = {}, profile = lavapipe): string => {
    const g = { ...geometryOf(each), ...change };
    const spec = forwardCorrelation(g, NO_EPILOGUE);
    return registerVariants('forward', spec, g, profile)[0];
  };
  const layer: Case = { image: [1, 64, 128, 128], rows: 128, stride: 2 };
  assert.is(chosen(layer), 'winograd', 'U-Net');
  assert.is(chosen({ image: [1, 256, 32, 32], rows: 512, stride: 1, reflect: true }), 'winograd');
  assert.is(chosen({ image: [1, 512, 16, 16], rows: 512, stride: 2 }), 'direct', 'few tiles');
  assert.is(chosen({ image: [4, 8, 64, 64], rows: 16, stride: 2 }), 'direct', 'few channels');
  assert.is(chosen({ ...layer, rows: 126 }), 'direct', 'rows not in fours');
  assert.is(chosen(layer, { kernelWidth: 3 }), 'direct', '4×3 taps');
  assert.is(chosen(layer, { stride: 3 }), 'direct', 'stride 3');
  assert.is(chosen(layer, {}, { ...lavapipe, kind: 'gpu' }), 'direct', 'GPU');
});

suite.run();

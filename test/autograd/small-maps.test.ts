/** Convolutions of a few pixels by the kernels of `small-maps.ts`: all passes against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Activation, NONE } from '../../kernels/activation.ts';
import { conv2dDataGradient } from '../../kernels/conv2d/data-gradient.ts';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { conv2dForward, forwardCorrelation } from '../../kernels/conv2d/forward.ts';
import { type ConvGeometry, outHeight, outWidth } from '../../kernels/conv2d/geometry.ts';
import { registerVariants } from '../../kernels/conv2d/register-variants.ts';
import { allowsSmallMaps } from '../../kernels/conv2d/small-maps.ts';
import { conv2dWeightGradient } from '../../kernels/conv2d/weight-gradient.ts';
import type { AdapterProfile, Plan } from '../../kernels/kernel.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import {
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { type HostArray, hostArray, randomArray } from '../../src/autograd/registry/row.ts';
import { openNodeGpu } from '../../src/node.ts';
import { errorsOf, outputOf } from '../support/convolution-outcomes.ts';

const suite = createSuite('small maps');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const VARIANT = 'small-maps';
const PASSES = ['forward', 'data-gradient', 'weight-gradient'] as const;
const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };

function geometry(
  [batch, inChannels, height, width]: readonly [number, number, number, number],
  outChannels: number,
  [kernelHeight, kernelWidth]: readonly [number, number] = [4, 4],
  stride = 2,
  padding = 1,
  paddingMode: ConvGeometry['paddingMode'] = 'zeros',
): ConvGeometry {
  return {
    ...{ batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth },
    ...{ stride, padding, paddingMode },
  };
}

async function check(
  name: string,
  plan: Plan,
  inputs: readonly HostArray[],
  expected: HostArray,
  added?: HostArray,
): Promise<void> {
  const before =
    added ??
    hostArray(
      expected.shape,
      expected.data.map(() => Number.NaN),
    );
  const found = await outputOf(gpu, plan, inputs, before);
  const total = added ? expected.data.map((value, i) => value + before.data[i]) : expected.data;
  const error = errorsOf({ found, expected: total }).largest;
  assert.ok(error < 2e-5, `${name}: error ${error}`);
}

async function checkPasses(g: ConvGeometry, accumulate: boolean, activation: Activation) {
  const { profile } = gpu;
  const { stride, padding, paddingMode } = g;
  const attributes = { stride, padding, paddingMode, outputPadding: 0, activation };
  const random = new RandomStream(5, 'small maps');
  const taps = g.inChannels * g.kernelHeight * g.kernelWidth;
  const x = randomArray(random, [g.batch, g.inChannels, g.height, g.width]);
  const shape = [g.outChannels, g.inChannels, g.kernelHeight, g.kernelWidth];
  const w = randomArray(random, shape, taps ** -0.5);
  const bias = randomArray(random, [g.outChannels]);
  const dy = randomArray(random, [g.batch, g.outChannels, outHeight(g), outWidth(g)]);
  const name = JSON.stringify(g);
  if (allowsSmallMaps(g, 'forward', profile)) {
    const inputs = activation === NONE ? [x, w] : [x, w, bias];
    const plan = conv2dForward(
      g,
      { bias: inputs.length === 3, activation },
      profile,
      undefined,
      VARIANT,
    );
    await check(`forward ${name}`, plan, inputs, conv2dForwardReference(inputs, attributes));
  }
  const [dx, dw] = conv2dBackwardReference([x, w], { ...attributes, activation: NONE }, dy);
  const before = (like: HostArray) => (accumulate ? randomArray(random, like.shape) : undefined);
  if (paddingMode === 'zeros' && allowsSmallMaps(g, 'data-gradient', profile)) {
    const options = { accumulate, variant: VARIANT } as const;
    const plan = conv2dDataGradient(g, NO_EPILOGUE, profile, options);
    await check(`data gradient ${name}`, plan, [dy, w], dx, before(dx));
  }
  for (const kind of ['cpu', 'gpu'] as const) {
    const plan = conv2dWeightGradient(g, accumulate, { ...profile, kind }, VARIANT);
    await check(`weight gradient (${kind}) ${name}`, plan, [x, dy], dw, before(dw));
  }
}

suite('every pass agrees with the reference, from one pixel on', async () => {
  const geometries = [
    geometry([1, 8, 2, 2], 16),
    geometry([2, 12, 4, 4], 20),
    geometry([3, 16, 2, 4], 37),
    geometry([1, 16, 6, 6], 9, [4, 4], 2, 1, 'reflect'),
    geometry([1, 16, 3, 5], 8, [3, 3], 1, 1),
    geometry([1, 128, 3, 3], 24, [1, 1], 1, 0),
    geometry([1, 24, 5, 4], 12, [2, 3], 1, 0),
    // More pixels than are held at once.
    geometry([3, 8, 16, 18], 136),
    geometry([1, 9, 15, 15], 129, [4, 4], 1, 1, 'reflect'),
  ];
  let checked = 0;
  for (const [index, g] of geometries.entries()) {
    if (!allowsSmallMaps(g, 'weight-gradient', gpu.profile)) continue;
    await checkPasses(g, index % 2 === 1, index % 3 === 0 ? NONE : LEAKY);
    checked++;
  }
  assert.ok(checked === geometries.length || !gpu.profile.subgroupSize);
});

suite('layers of few pixels are given to them, and no others', () => {
  const lavapipe: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const chosen = (g: ConvGeometry) =>
    PASSES.map(
      (pass) => registerVariants(pass, forwardCorrelation(g, NO_EPILOGUE), g, lavapipe)[0],
    );
  const [first, data, weight] = chosen(geometry([4, 512, 2, 2], 512));
  assert.equal([first, data, weight], [VARIANT, VARIANT, VARIANT]);
  assert.equal(chosen(geometry([4, 512, 16, 16], 512)), ['direct', 'direct', VARIANT]);
  assert.equal(chosen(geometry([1, 256, 32, 32], 512))[2], VARIANT);
  assert.is.not(chosen(geometry([4, 256, 32, 32], 512))[2], VARIANT, 'many pixels');
  assert.is(chosen(geometry([4, 32, 8, 8], 64))[2], 'direct', 'few rows');
});

suite.run();

import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { leakyRelu, relu, sigmoid, tanh } from '../../src/autograd/ops/activations.ts';
import { certaintyWeights } from '../../src/autograd/ops/certainty.ts';
import { concat } from '../../src/autograd/ops/concat.ts';
import { gelu } from '../../src/autograd/ops/gelu.ts';
import { gridSample } from '../../src/autograd/ops/grid-sample.ts';
import { infoNce } from '../../src/autograd/ops/info-nce.ts';
import { instanceNorm } from '../../src/autograd/ops/instance-norm.ts';
import { layerNorm } from '../../src/autograd/ops/layer-norm.ts';
import { bceWithLogits, l1Loss, mseLoss, mseToScalar } from '../../src/autograd/ops/losses.ts';
import { maxPool2d } from '../../src/autograd/ops/max-pool2d.ts';
import { regionMean } from '../../src/autograd/ops/region-mean.ts';
import { resizeBilinear } from '../../src/autograd/ops/resize-bilinear.ts';
import { softmax } from '../../src/autograd/ops/softmax.ts';
import { mixTokens, tokenSimilarity } from '../../src/autograd/ops/token-products.ts';
import { unitLength } from '../../src/autograd/ops/unit-length.ts';
import { type Regions, uploadRegions } from '../../src/autograd/regions.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { CONVOLUTIONS } from '../support/pytorch-convolutions.ts';
import { type OpFixture, OpFixtures, type RunOp } from '../support/pytorch-op-cases.ts';

/** How each op of the fixtures is called here. */
const OPS: Readonly<Record<string, RunOp>> = {
  instance_norm: ([x], { eps }) => instanceNorm(x, { epsilon: eps }),
  leaky_relu: ([x], { slope }) => leakyRelu(x, slope),
  relu: ([x]) => relu(x),
  tanh: ([x]) => tanh(x),
  sigmoid: ([x]) => sigmoid(x),
  concat: (inputs, { axis }) => concat(inputs, axis),
  max_pool2d: ([x], { kernel, stride, padding, ceil_mode: ceilMode }) =>
    maxPool2d(x, { kernel, stride, padding, ceilMode }),
  grid_sample: ([x, grid], { align_corners: alignCorners, padding_mode: paddingMode }) =>
    gridSample(x, grid, { alignCorners, paddingMode }),
  resize_bilinear: ([x], { height, width, align_corners: alignCorners }) =>
    resizeBilinear(x, { height, width, alignCorners }),
  l1_loss: ([x, target]) => l1Loss(x, target),
  mse_loss: ([x, target]) => mseLoss(x, target),
  mse_loss_constant: ([x], { target }) => mseToScalar(x, target),
  bce_with_logits_constant: ([x], { target }) => bceWithLogits(x, target),
  bce_with_logits: ([x, target]) => bceWithLogits(x, target),
  token_similarity: ([a, b], { heads, factor }) => tokenSimilarity(a, b, { heads, factor }),
  mix_tokens: ([weights, x], { heads }) => mixTokens(weights, x, heads),
  softmax: ([x]) => softmax(x),
  gelu: ([x]) => gelu(x),
  layer_norm: ([x, scale, shift], { eps }) => layerNorm(x, scale, shift, eps),
  region_mean: ([x], attributes) => regionMean(x, regionsOf(x, attributes)),
  info_nce: ([x], attributes) => infoNce(x, regionsOf(x, attributes)),
  unit_length: ([x], { eps }) => unitLength(x, eps),
  certainty_weights: ([variance], { quantile }) => certaintyWeights(variance, quantile),
};

function regionsOf(
  { gpu: device, shape }: Tensor,
  { labels, regions, height, width }: OpFixture['attributes'],
): Regions {
  return uploadRegions(device, labels, [shape[0], height, width], regions);
}

/** Ops of the fixtures that have tests of their own. */
const ELSEWHERE = ['warp', 'spectral_norm', 'lpips_layer'];

const suite = createSuite('ops against PyTorch');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
const fixtures = new OpFixtures(gpu);

suite('every op of the fixtures is tested', () => {
  for (const { op } of fixtures.cases) {
    assert.ok(op in OPS || op in CONVOLUTIONS || ELSEWHERE.includes(op), op);
  }
});

fixtures.testOps(suite, OPS);
// A few of them; pytorch-convolutions.slow.test.ts has all.
fixtures.testOps(suite, CONVOLUTIONS, (index) => index % 9 === 0);

/** Flow in pixels, as a grid of coordinates: with aligned corners, 2/(size-1) a pixel. */
suite('warp by a flow in pixels', async () => {
  for (const fixture of fixtures.cases.filter(({ op }) => op === 'warp')) {
    const flow = fixtures.tensors.floats(fixture.inputs.flow);
    const [batch, , height, width] = fixtures.tensors.shape(fixture.inputs.flow);
    const pixels = height * width;
    const grid = new Float32Array(batch * pixels * 2);
    for (let i = 0; i < batch * pixels; i++) {
      const start = Math.floor(i / pixels) * 2 * pixels + (i % pixels);
      const row = Math.floor((i % pixels) / width) + flow[start];
      const column = (i % width) + flow[start + pixels];
      grid[2 * i] = (2 * column) / (width - 1) - 1;
      grid[2 * i + 1] = (2 * row) / (height - 1) - 1;
    }
    const x = fixtures.upload(fixture.inputs.x);
    const positions = tensorFrom(gpu, grid, [batch, height, width, 2]);
    x.requiresGrad = true;
    positions.requiresGrad = true;
    const { y, found } = gpu.scope(() => {
      const output = gridSample(x, positions, { alignCorners: true, paddingMode: 'border' });
      const cotangent = fixtures.upload(fixture.cotangent);
      return { y: output, found: backward(output, [x, positions], cotangent) };
    });
    await fixtures.assertEqual(y, fixture.output);
    await fixtures.assertEqual(found.get(x) as Tensor, fixture.gradients.x);
    const dgrid = await (found.get(positions) as Tensor).read();
    const dflow = new Float32Array(flow.length);
    for (let i = 0; i < batch * pixels; i++) {
      const start = Math.floor(i / pixels) * 2 * pixels + (i % pixels);
      dflow[start] = (dgrid[2 * i + 1] * 2) / (height - 1);
      dflow[start + pixels] = (dgrid[2 * i] * 2) / (width - 1);
    }
    fixtures.assertClose(dflow, fixture.gradients.flow);
  }
});

suite.run();

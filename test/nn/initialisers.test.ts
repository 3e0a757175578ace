/** Initial values against PyTorch's laws and the fan-in of its layers (`optimisers.py`). */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { initialiser } from '../../src/nn/initialisers.ts';
import { declareConvolution } from '../../src/nn/network.ts';
import { readFixture } from '../support/pytorch-fixtures.ts';

interface Layer {
  readonly name: string;
  readonly shape: readonly [number, number, number, number];
  readonly fan_in: number;
  readonly default: { readonly bound: number; readonly expected_std: number };
  readonly 'normal_0.02': { readonly expected_std: number };
}

const suite = createSuite('initialisers');
const { initialisation } = readFixture<{ initialisation: Layer[] }>('optimisers.json');

/** Mean and standard deviation, which scatter by about σ/√n and σ/√(2n); five times that is allowed. */
function assertMoments(what: string, values: Float32Array, deviation: number): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const scatter = deviation / Math.sqrt(values.length);
  assert.ok(Math.abs(mean) <= 5 * scatter, `${what}: mean ${mean}`);
  const found = Math.sqrt(variance);
  assert.ok(Math.abs(found - deviation) <= 5 * scatter, `${what}: standard deviation ${found}`);
}

function drawn(layer: Layer, name: 'default' | 'normal'): [Float32Array, Float32Array] {
  const random = new RandomStream(11, layer.name);
  const biasLength = layer.name.startsWith('conv') ? layer.shape[0] : layer.shape[1];
  const options = { bias: true, biasLength };
  const [weight, bias] = declareConvolution('x', layer.shape, initialiser(name, random), options);
  return [weight.initialise(), bias.initialise()];
}

for (const layer of initialisation) {
  suite(`${layer.name}: uniform within ±1/√fan_in`, () => {
    const { bound, expected_std } = layer.default;
    assert.is(bound, 1 / Math.sqrt(layer.fan_in));
    const [weight, bias] = drawn(layer, 'default');
    assertMoments('weight', weight, expected_std);
    for (const values of [weight, bias]) {
      assert.ok(values.every((value) => Math.abs(value) <= bound));
    }
    assert.ok(weight.some((value) => value > 0.97 * bound));
    assert.ok(weight.some((value) => value < -0.97 * bound));
    assert.ok(bias.some((value) => value !== 0));
  });

  suite(`${layer.name}: normal with deviation 0.02, biases 0`, () => {
    const [weight, bias] = drawn(layer, 'normal');
    assertMoments('weight', weight, layer['normal_0.02'].expected_std);
    assert.ok(bias.every((value) => value === 0));
  });
}

suite.run();

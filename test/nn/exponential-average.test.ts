/** Exponential averages of whole networks, against the formula in double precision on the host. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { ShapeError } from '../../src/errors.ts';
import { averageInto, copyNetwork, warmedDecay } from '../../src/nn/exponential-average.ts';
import { type Network, readState, writeState } from '../../src/nn/network.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('exponential average');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

/** Batch norm, so that there are running statistics too. */
const unet = (seed: number, ngf = 3) =>
  new UNet(
    gpu,
    {
      ...{ inChannels: 1, outChannels: 1, ngf, levels: 3, norm: 'batch' },
      ...{ dropout: 0, dropoutSite: 'none', paddingMode: 'zeros', initialiser: 'default' },
    },
    new RandomStream(seed, 'unet'),
  );

/** Everything of a network anew, as a training step would change it. */
async function shake(network: Network, random: RandomStream): Promise<Map<string, Float64Array>> {
  const state = await readState(network);
  const changed = new Map(
    [...state].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value) => value + 0.1 * random.normal()) },
    ]),
  );
  writeState(network, changed, 'shaken');
  return new Map([...changed].map(([name, { data }]) => [name, Float64Array.from(data)]));
}

suite('parameters and running statistics follow d·a + (1-d)·x', async () => {
  const [source, average] = [unet(1), unet(2)];
  assert.ok(source.buffers.size > 0);
  const random = new RandomStream(3, 'shake');
  const expected = new Map<string, Float64Array>();
  for (let step = 0; step < 6; step++) {
    const values = await shake(source, random);
    const decay = warmedDecay(0.7, step);
    averageInto(average, source, decay);
    await gpu.flush();
    for (const [name, x] of values) {
      const before = expected.get(name) ?? x;
      expected.set(
        name,
        x.map((value, i) => decay * before[i] + (1 - decay) * value),
      );
    }
  }
  for (const [name, { data }] of await readState(average)) {
    const wanted = expected.get(name) ?? [];
    assert.is(data.length, wanted.length, name);
    data.forEach((value, i) => {
      assert.ok(Math.abs(value - wanted[i]) < 1e-6, `${name}[${i}]: ${value}, ${wanted[i]}`);
    });
  }
});

suite('one dispatch an arena, and one a running statistic', async () => {
  const [source, average] = [unet(1), unet(2)];
  await gpu.flush();
  const before = gpu.recorder.dispatches;
  averageInto(average, source, 0.9);
  await gpu.flush();
  const { arenas } = source.parameters;
  assert.is(arenas.length, 1);
  assert.is(gpu.recorder.dispatches - before, 1 + source.buffers.size);
});

suite('the decay grows to its end: a plain mean at first', () => {
  assert.equal(
    [0, 1, 2, 3].map((step) => warmedDecay(0.9, step)),
    [0, 0.5, 1 - 1 / 3, 0.75],
  );
  assert.is(warmedDecay(0.9, 9), 0.9);
  assert.is(warmedDecay(0.9, 1000), 0.9);
});

suite('a copy is the same to the bit', async () => {
  const [source, target] = [unet(1), unet(2)];
  await shake(source, new RandomStream(4, 'shake'));
  copyNetwork(target, source);
  const expected = await readState(source);
  for (const [name, { data }] of await readState(target)) {
    assert.equal(data, expected.get(name)?.data, name);
  }
});

suite('networks of other shapes are refused', () => {
  assert.throws(
    () => averageInto(unet(1, 4), unet(1), 0.9),
    (error: Error) => error instanceof ShapeError,
  );
});

suite.run();

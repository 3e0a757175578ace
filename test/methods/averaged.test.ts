/** A method with an exponential average of its enhancing generator. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { noGrad } from '../../src/autograd/tape.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { UsageError } from '../../src/errors.ts';
import { AveragedMethod } from '../../src/methods/averaged.ts';
import type { Method } from '../../src/methods/method.ts';
import { EVALUATION, type Network, readState, writeState } from '../../src/nn/network.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import { parseOptions } from '../../src/run/options.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';

const suite = createSuite('averaged methods');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const SIZE = 32;
/** Batch norm, whose running statistics are averaged too; dropout, which evaluation leaves out. */
function pix2pix(ema: number): Method {
  const argv = ['--data', 'in', '--out', 'out', '--method', 'pix2pix', '--size', String(SIZE)];
  const small = ['--levels', '3', '--ngf', '2', '--ndf', '2', '--ema', String(ema)];
  return trainConfiguration(parseOptions(TRAIN_PROGRAM, [...argv, ...small]).values).method.create(
    gpu,
  );
}

const image = (phase: number): Tensor =>
  tensorFrom(
    gpu,
    Float32Array.from({ length: 2 * SIZE * SIZE }, (_, i) => Math.sin(i + phase)),
    [2, 1, SIZE, SIZE],
  );

async function step(method: Method, index: number): Promise<number[]> {
  const terms = gpu.scope(() =>
    method.trainStep(
      { low: image(index), high: image(index + 1) },
      { step: index, learningRate: 1e-3 },
    ),
  );
  const values: number[] = [];
  for (const term of terms) values.push((await term.read())[0]);
  return values;
}

function network(method: Method, prefix: string): Network {
  const found = method.networks.get(prefix);
  assert.ok(found, prefix);
  return found as Network;
}

suite('trains as without, and enhances with the average of what it was after each step', async () => {
  const [plain, averaged] = [pix2pix(0), pix2pix(0.6)];
  assert.not(plain instanceof AveragedMethod);
  assert.instance(averaged, AveragedMethod);
  assert.equal([...averaged.networks.keys()], [...plain.networks.keys(), 'G_H_ema.']);
  const average = network(averaged, 'G_H_ema.');
  await gpu.flush();
  const initial = await readState(network(averaged, 'G_H.'));
  for (const [name, { data }] of await readState(average)) {
    assert.equal(data, initial.get(name)?.data, `${name} at first`);
  }

  const expected = new Map<string, Float64Array>();
  for (let index = 0; index < 4; index++) {
    assert.equal(await step(averaged, index), await step(plain, index), 'the same losses');
    const decay = Math.min(1 - 1 / (index + 1), 0.6);
    for (const [name, { data }] of await readState(network(plain, 'G_H.'))) {
      const before = expected.get(name) ?? new Float64Array(data.length);
      expected.set(
        name,
        Float64Array.from(data, (value, i) => decay * before[i] + (1 - decay) * value),
      );
    }
  }
  const found = await readState(average);
  assert.ok([...found.keys()].some((name) => name.endsWith('running_var')));
  for (const [name, { data }] of found) {
    const wanted = expected.get(name) ?? [];
    data.forEach((value, i) => {
      assert.ok(Math.abs(value - wanted[i]) < 1e-6, `${name}[${i}]: ${value}, ${wanted[i]}`);
    });
  }

  // The raw generator with the average put in gives what the averaged method gives.
  const raw = network(plain, 'G_H.');
  assert.instance(raw, UNet);
  writeState(raw, found, 'average');
  const x = image(9);
  const direct = noGrad(() => (raw as UNet).forward(x, EVALUATION));
  assert.equal(await averaged.enhance(x).read(), await direct.read());
  assert.not.equal(
    await averaged.enhance(x).read(),
    await noGrad(() => (network(averaged, 'G_H.') as UNet).forward(x, EVALUATION)).read(),
  );
  plain.dispose();
  averaged.dispose();
});

suite('a decay that is none is refused', () => {
  const method = pix2pix(0);
  const average = network(method, 'G_H.') as UNet;
  for (const decay of [0, 1, -1, Number.NaN]) {
    assert.throws(
      () => new AveragedMethod(method, average, decay),
      (error: Error) => error instanceof UsageError && /between 0 and 1/.test(error.message),
    );
  }
  method.dispose();
});

suite.run();

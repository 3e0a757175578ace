import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/errors.ts';
import type { HostTensor } from '../../src/nn/host-tensor.ts';
import {
  findWeights,
  loadPerceptualWeights,
  loadWeightsFile,
} from '../../src/nn/load-weights.node.ts';
import { type LpipsName, linearWeights, trunkWeights } from '../../src/nn/load-weights.ts';
import { TRUNKS, trunkShapes } from '../../src/nn/perceptual/trunks.ts';
import { serializeSafetensors } from '../../src/nn/safetensors.ts';

const suite = uvuSuite<{ folder: string }>('load-weights');

suite.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-weights-'));
});
suite.after.each(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

async function rejects(promise: Promise<unknown>, ...parts: string[]) {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.instance(error, DataError, String(error));
  for (const part of parts) assert.match(String(error), part);
}

/** A trunk of counted values, as torchvision names it. */
function madeUpTrunk(name: LpipsName, prefix: string): Map<string, HostTensor> {
  let next = 0;
  return new Map(
    [...trunkShapes(TRUNKS[name])].map(([key, shape]): [string, HostTensor] => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(next++);
      return [prefix + key, { dtype: 'F32', shape: [...shape], data }];
    }),
  );
}

function madeUpLins(name: LpipsName): Map<string, HostTensor> {
  return new Map(
    TRUNKS[name].channels.map((count, i): [string, HostTensor] => [
      `lin${i}`,
      { dtype: 'F32', shape: [count], data: new Float32Array(count).fill(i) },
    ]),
  );
}

const save = (path: string, tensors: Map<string, HostTensor>) =>
  writeFileSync(path, serializeSafetensors(tensors));

suite('a trunk with or without features. and a classifier gives the same tensors', async ({
  folder,
}) => {
  const bare = madeUpTrunk('squeeze', '');
  const full = madeUpTrunk('squeeze', 'features.');
  full.set('classifier.1.weight', { dtype: 'F32', shape: [1], data: Float32Array.of(9) });
  save(join(folder, 'squeezenet1_1_features.safetensors'), bare);
  // The content decides: safetensors under a torch name.
  save(join(folder, 'squeezenet1_1-b8a52dc0.pth'), full);
  const read = async (stem: string) => {
    const path = (await findWeights(folder, stem)) ?? '';
    return trunkWeights(await loadWeightsFile(path), 'squeeze', path);
  };
  const first = await read('squeezenet1_1_features');
  assert.equal([...first.keys()], [...bare.keys()]);
  assert.equal(first, await read('squeezenet1_1-b8a52dc0'));
  assert.equal(first.get('3.expand3x3.weight')?.shape, [64, 16, 3, 3]);
});

suite('a whole LPIPS variant is found by its file names', async ({ folder }) => {
  save(join(folder, 'squeezenet1_1-f364aa15.pt'), madeUpTrunk('squeeze', 'features.'));
  await rejects(
    loadPerceptualWeights(folder, 'squeeze'),
    folder,
    'lpips_lin_v0.1_squeeze or squeeze',
  );
  save(join(folder, 'squeeze.safetensors'), madeUpLins('squeeze'));
  const { trunk, linear } = await loadPerceptualWeights(folder, 'squeeze');
  assert.is(trunk.size, trunkShapes(TRUNKS.squeeze).size);
  assert.equal(
    linear.map(({ length }) => length),
    [64, 128, 256, 384, 384, 512, 512],
  );
  await rejects(loadPerceptualWeights(folder, 'alex'), 'no alex trunk', 'alexnet-owt-7be5be79');
});

suite("LPIPS's own file of linear layers (legacy torch, lin0.model.1.weight)", async ({
  folder,
}) => {
  const fixture = new URL('../fixtures/torch-pickle/lpips-alex.legacy.pth', import.meta.url);
  cpSync(fileURLToPath(fixture), join(folder, 'alex.pth'));
  const path = (await findWeights(folder, 'alex')) ?? '';
  assert.is(path, join(folder, 'alex.pth'));
  const lins = linearWeights(await loadWeightsFile(path), 'alex', path);
  assert.equal(
    lins.map(({ length }) => length),
    [64, 192, 384, 256, 256],
  );
  lins.forEach((lin, i) => {
    assert.ok(lin.every((value, c) => value === c / 64 + i));
  });
});

suite('safetensors is preferred to pth and pt; none is undefined', async ({ folder }) => {
  assert.is(await findWeights(folder, 'a'), undefined);
  for (const extension of ['pt', 'pth', 'safetensors']) {
    writeFileSync(join(folder, `a.${extension}`), '');
    assert.is(await findWeights(folder, 'a'), join(folder, `a.${extension}`));
  }
});

suite('missing, misshapen, integer and non-finite tensors are named with their file', async ({
  folder,
}) => {
  const path = join(folder, 'squeezenet1_1_features.safetensors');
  save(join(folder, 'squeeze.safetensors'), madeUpLins('squeeze'));
  const attempt = async (
    change: (tensors: Map<string, HostTensor>) => void,
    ...parts: string[]
  ) => {
    const tensors = madeUpTrunk('squeeze', '');
    change(tensors);
    save(path, tensors);
    await rejects(
      loadPerceptualWeights(folder, 'squeeze'),
      `${path}: tensor 3.squeeze.bias: `,
      ...parts,
    );
  };
  const key = '3.squeeze.bias';
  await attempt((t) => t.delete(key), 'expected shape [16], found no such tensor');
  const set = (tensor: HostTensor) => (t: Map<string, HostTensor>) => t.set(key, tensor);
  const zeros = new Float32Array(16);
  await attempt(
    set({ dtype: 'F32', shape: [4, 4], data: zeros }),
    'expected shape [16], found [4,4]',
  );
  const integers: HostTensor = { dtype: 'I32', shape: [16], data: new Int32Array(16) };
  await attempt(set(integers), 'expected floating-point values, found I32');
  const nan = zeros.slice().fill(Number.NaN, 3, 4);
  await attempt(set({ dtype: 'F32', shape: [16], data: nan }), 'found NaN at 3');

  save(path, madeUpTrunk('squeeze', ''));
  const lins = madeUpLins('squeeze');
  lins.set('lin6', { dtype: 'F32', shape: [1, 512], data: new Float32Array(512) });
  save(join(folder, 'squeeze.safetensors'), lins);
  await rejects(
    loadPerceptualWeights(folder, 'squeeze'),
    'tensor lin6: expected shape [512], found [1,512]',
  );
});

suite('missing folders and files and foreign formats are DataErrors', async ({ folder }) => {
  await rejects(findWeights(join(folder, 'no'), 'a'), 'weights folder', 'does not exist');
  await rejects(loadWeightsFile(join(folder, 'no.pth')), 'no.pth: does not exist');
  await rejects(loadWeightsFile(folder), 'is a folder');
  writeFileSync(join(folder, 'a.pth'), 'not weights at all');
  await rejects(loadWeightsFile(join(folder, 'a.pth')), 'a.pth: expected a safetensors file');
  writeFileSync(join(folder, 'b.pth'), '');
  await rejects(loadWeightsFile(join(folder, 'b.pth')), 'b.pth: expected a safetensors file');
});

const data = process.env.SONOLIFT_DATA;
if (data === undefined) {
  console.log('skipped: trained weights (set SONOLIFT_DATA to a folder with weights/)');
} else {
  const weights = join(data, 'weights');

  suite('LPIPS v0.1 linear layers have the sums of the published files', async () => {
    const sums: Record<'alex' | 'vgg', number[]> = {
      vgg: [6.925992, 8.858334, 17.515006, 51.521323, 47.034854],
      alex: [2.349532, 16.143027, 39.268439, 27.197178, 20.317177],
    };
    for (const name of ['alex', 'vgg'] as const) {
      const path = (await findWeights(weights, `lpips_lin_v0.1_${name}`)) ?? '';
      const lins = linearWeights(await loadWeightsFile(path), name, path);
      assert.is(lins.length, sums[name].length);
      lins.forEach((lin, i) => {
        const sum = lin.reduce((a, b) => a + b, 0);
        const expected = sums[name][i] ?? Number.NaN;
        assert.ok(Math.abs(sum - expected) < 5e-6, `${name} lin${i}: ${sum}, expected ${expected}`);
        assert.ok(lin.every((value) => value >= 0));
      });
    }
  });

  suite('AlexNet and SqueezeNet load whole, the short VGG16 as far as it goes', async () => {
    assert.is((await loadPerceptualWeights(weights, 'alex')).trunk.size, 10);
    const squeeze = await loadPerceptualWeights(weights, 'squeeze');
    assert.is(squeeze.trunk.size, 50);
    assert.is(squeeze.linear.length, 7);
    const path = (await findWeights(weights, 'vgg16_conv1_1-conv2_2')) ?? '';
    assert.is(trunkWeights(await loadWeightsFile(path), 'vgg', path, 2).size, 8);
    await rejects(
      loadPerceptualWeights(weights, 'vgg'),
      'vgg16_conv1_1-conv2_2.safetensors: tensor 10.weight: expected shape [256,128,3,3], found no such',
    );
  });
}

suite.run();

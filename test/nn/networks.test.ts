/**
 * Whole networks against PyTorch: output, gradients of the input and of every parameter, and what
 * spectral norm's power iteration leaves behind. Witness: networks.py in f64 from the same f32
 * weights and inputs.
 */
import { suite as createSuite } from 'uvu';
import { RandomStream } from '../../src/autograd/philox.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { SpectralPatchGan } from '../../src/nn/patchgan.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import { checkNetwork, type Forwarding, type NetworkEntry } from '../support/network-case.ts';
import { FixtureTensors, readFixture } from '../support/pytorch-fixtures.ts';

const suite = createSuite('networks against PyTorch');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
const tensors = new FixtureTensors('networks.safetensors');
const { networks } = readFixture<{ networks: NetworkEntry[] }>('networks.json');

function build(device: Gpu, { network, attributes }: NetworkEntry): Forwarding {
  const random = new RandomStream(0, 'overwritten');
  const initialiser = 'default';
  const inChannels = Number(attributes.channels);
  if (network === 'PatchGAN') {
    const ndf = Number(attributes.ndf);
    return new SpectralPatchGan(
      device,
      { inChannels, ndf, spectralLayers: 4, initialiser },
      random,
    );
  }
  const { ngf, levels, dropout } = attributes;
  return new UNet(
    device,
    {
      inChannels,
      outChannels: inChannels,
      ngf: Number(ngf),
      levels: Number(levels),
      dropout: Number(dropout),
      dropoutSite: 'encoder',
      paddingMode: 'zeros',
      initialiser,
    },
    random,
  );
}

for (const entry of networks) {
  if (entry.network === 'LPIPS') continue;
  suite(entry.name, () => checkNetwork(gpu, build(gpu, entry), entry, tensors));
}

suite.run();

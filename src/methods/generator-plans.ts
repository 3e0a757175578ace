/** The enhancing generators, apart from their methods: what enhancing needs, without what training needs. */
import { RandomStream } from '../autograd/philox.ts';
import { NORM_NAMES } from '../nn/norm.ts';
import { ResNet, type ResNetOptions } from '../nn/resnet.ts';
import { PADDING_MODES, UNet, type UNetOptions } from '../nn/unet.ts';
import { type ArchitectureReader, upsampleOf } from './architecture-reader.ts';
import type { GeneratorPlan } from './method-kind.ts';

function unetPlan(
  architecture: ArchitectureReader,
  own: Pick<UNetOptions, 'paddingMode' | 'norm'>,
): GeneratorPlan {
  const levels = architecture.whole('levels', 8);
  const options = {
    inChannels: 1,
    outChannels: 1,
    ngf: architecture.whole('ngf', 4096),
    levels,
    upsample: upsampleOf(architecture),
    dropout: 0,
    dropoutSite: 'none',
    initialiser: 'default',
    ...own,
  } as const;
  return {
    sizeMultiple: 2 ** levels,
    make: (gpu) => new UNet(gpu, options, new RandomStream(0, 'overwritten')),
  };
}

/** The U-Net of the proposed method. */
export function proposedPlan(architecture: ArchitectureReader): GeneratorPlan {
  return unetPlan(architecture, { paddingMode: architecture.choice('paddingMode', PADDING_MODES) });
}

/** The U-Net of pix2pix. */
export function pix2pixPlan(architecture: ArchitectureReader): GeneratorPlan {
  const norm = architecture.choice('norm', NORM_NAMES);
  return unetPlan(architecture, { paddingMode: 'zeros', norm });
}

function resnetPlanWith(
  architecture: ArchitectureReader,
  own: Partial<ResNetOptions>,
): GeneratorPlan {
  const options: ResNetOptions = {
    inChannels: 1,
    outChannels: 1,
    ngf: architecture.whole('ngf', 4096),
    blocks: architecture.whole('blocks', 64),
    upsample: upsampleOf(architecture),
    initialiser: 'default',
    ...own,
  };
  return {
    sizeMultiple: ResNet.SIZE_MULTIPLE,
    make: (gpu) => new ResNet(gpu, options, new RandomStream(0, 'overwritten')),
  };
}

/** The ResNet of CycleGAN and RegGAN. */
export function resnetPlan(architecture: ArchitectureReader): GeneratorPlan {
  return resnetPlanWith(architecture, {});
}

/** What sets the ResNets of the reconstructed stable CycleGAN apart from CycleGAN's. */
export const SKIP_RESNET = { skips: true, downPadding: 'reflect' } as const;

/** The ResNet with skips of the reconstructed stable CycleGAN. */
export function stableCycleGanPlan(architecture: ArchitectureReader): GeneratorPlan {
  return resnetPlanWith(architecture, SKIP_RESNET);
}

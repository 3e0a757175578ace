import { UsageError } from '../../errors.ts';

/** The perceptual distances on offer. Only the first three are LPIPS. */
export const PERCEPTUAL_NAMES = ['squeeze', 'alex', 'vgg', 'random-features'] as const;
export type PerceptualName = (typeof PERCEPTUAL_NAMES)[number];

/** One layer of a frozen feature trunk; every convolution is followed by a ReLU. */
export type TrunkLayer =
  | {
      readonly kind: 'conv';
      readonly name: string;
      readonly from: number;
      readonly to: number;
      readonly kernel: number;
      readonly stride: number;
      readonly padding: number;
    }
  | { readonly kind: 'pool'; readonly kernel: number; readonly ceilMode: boolean }
  /** SqueezeNet's fire module: 1×1 squeeze, then 1×1 and 3×3 expansions side by side. */
  | {
      readonly kind: 'fire';
      readonly name: string;
      readonly from: number;
      readonly squeeze: number;
      readonly expand: number;
    };

/** A trunk cut into slices; the output of each slice is compared. */
export interface Trunk {
  readonly slices: readonly (readonly TrunkLayer[])[];
  /** Channels of each slice's output. */
  readonly channels: readonly number[];
}

const conv = (
  name: number,
  from: number,
  to: number,
  kernel: number,
  stride: number,
  padding: number,
): TrunkLayer => ({ kind: 'conv', name: String(name), from, to, kernel, stride, padding });

const fire = (name: number, from: number, squeeze: number, expand: number): TrunkLayer => ({
  kind: 'fire',
  name: String(name),
  from,
  squeeze,
  expand,
});

const pool = (kernel: number, ceilMode: boolean): TrunkLayer => ({
  kind: 'pool',
  kernel,
  ceilMode,
});

/** torchvision `squeezenet1_1.features`, cut as in LPIPS `pretrained_networks.py`. */
const SQUEEZE: Trunk = {
  slices: [
    [conv(0, 3, 64, 3, 2, 0)],
    [pool(3, true), fire(3, 64, 16, 64), fire(4, 128, 16, 64)],
    [pool(3, true), fire(6, 128, 32, 128), fire(7, 256, 32, 128)],
    [pool(3, true), fire(9, 256, 48, 192)],
    [fire(10, 384, 48, 192)],
    [fire(11, 384, 64, 256)],
    [fire(12, 512, 64, 256)],
  ],
  channels: [64, 128, 256, 384, 384, 512, 512],
};

/** torchvision `alexnet.features`. */
const ALEX: Trunk = {
  slices: [
    [conv(0, 3, 64, 11, 4, 2)],
    [pool(3, false), conv(3, 64, 192, 5, 1, 2)],
    [pool(3, false), conv(6, 192, 384, 3, 1, 1)],
    [conv(8, 384, 256, 3, 1, 1)],
    [conv(10, 256, 256, 3, 1, 1)],
  ],
  channels: [64, 192, 384, 256, 256],
};

/** torchvision `vgg16.features` up to relu5_3. */
const VGG: Trunk = {
  slices: [
    [conv(0, 3, 64, 3, 1, 1), conv(2, 64, 64, 3, 1, 1)],
    [pool(2, false), conv(5, 64, 128, 3, 1, 1), conv(7, 128, 128, 3, 1, 1)],
    [
      pool(2, false),
      conv(10, 128, 256, 3, 1, 1),
      conv(12, 256, 256, 3, 1, 1),
      conv(14, 256, 256, 3, 1, 1),
    ],
    [
      pool(2, false),
      conv(17, 256, 512, 3, 1, 1),
      conv(19, 512, 512, 3, 1, 1),
      conv(21, 512, 512, 3, 1, 1),
    ],
    [
      pool(2, false),
      conv(24, 512, 512, 3, 1, 1),
      conv(26, 512, 512, 3, 1, 1),
      conv(28, 512, 512, 3, 1, 1),
    ],
  ],
  channels: [64, 128, 256, 512, 512],
};

/** A narrow VGG-style stack for use without any weights file. */
const RANDOM_FEATURES: Trunk = {
  slices: [
    [conv(0, 3, 16, 3, 1, 1), conv(2, 16, 16, 3, 1, 1)],
    [pool(2, false), conv(5, 16, 32, 3, 1, 1), conv(7, 32, 32, 3, 1, 1)],
    [pool(2, false), conv(10, 32, 64, 3, 1, 1), conv(12, 64, 64, 3, 1, 1)],
  ],
  channels: [16, 32, 64],
};

export const TRUNKS: Readonly<Record<PerceptualName, Trunk>> = {
  squeeze: SQUEEZE,
  alex: ALEX,
  vgg: VGG,
  'random-features': RANDOM_FEATURES,
};

/** @throws UsageError listing the choices */
export function perceptualName(value: string): PerceptualName {
  const found = PERCEPTUAL_NAMES.find((name) => name === value);
  if (!found) {
    throw new UsageError(
      `perceptual must be one of ${PERCEPTUAL_NAMES.join(', ')} or none, found ${value}`,
    );
  }
  return found;
}

/** How people should read a distance: `random-features` is never called LPIPS. */
export function perceptualLabel(name: PerceptualName): string {
  return name === 'random-features' ? 'random-features' : `LPIPS-${name}`;
}

/** Names and shapes of a trunk's weights, as in torchvision's `features` state dict. */
export function trunkShapes(trunk: Trunk): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const add = (name: string, to: number, from: number, kernel: number): void => {
    shapes.set(`${name}.weight`, [to, from, kernel, kernel]);
    shapes.set(`${name}.bias`, [to]);
  };
  for (const layer of trunk.slices.flat()) {
    if (layer.kind === 'conv') add(layer.name, layer.to, layer.from, layer.kernel);
    if (layer.kind === 'fire') {
      add(`${layer.name}.squeeze`, layer.squeeze, layer.from, 1);
      add(`${layer.name}.expand1x1`, layer.expand, layer.squeeze, 1);
      add(`${layer.name}.expand3x3`, layer.expand, layer.squeeze, 3);
    }
  }
  return shapes;
}

/** Length of a layer's output along an axis; what has none is 0 or less. */
function outputLength(layer: TrunkLayer, length: number): number {
  switch (layer.kind) {
    case 'pool': {
      const round = layer.ceilMode ? Math.ceil : Math.floor;
      return round((length - layer.kernel) / 2) + 1;
    }
    case 'conv':
      return Math.floor((length + 2 * layer.padding - layer.kernel) / layer.stride) + 1;
    case 'fire':
      return length;
  }
}

/** Values of the largest layer output of one image of `height`×`width`, its scaled RGB planes included. */
export function largestOutput(trunk: Trunk, height: number, width: number): number {
  let [rows, columns] = [height, width];
  let largest = 3 * rows * columns;
  for (const layer of trunk.slices.flat()) {
    rows = outputLength(layer, rows);
    columns = outputLength(layer, columns);
    if (layer.kind === 'conv') largest = Math.max(largest, layer.to * rows * columns);
    if (layer.kind === 'fire') largest = Math.max(largest, 2 * layer.expand * rows * columns);
  }
  return largest;
}

/** The smallest side of images of which every layer of a trunk has an output. */
export function smallestSide(trunk: Trunk): number {
  let side = 1;
  while (!leavesOutput(trunk, side)) side++;
  return side;
}

function leavesOutput(trunk: Trunk, side: number): boolean {
  let length = side;
  return trunk.slices.flat().every((layer) => {
    length = outputLength(layer, length);
    return length > 0;
  });
}

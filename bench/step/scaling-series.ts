import type { StepShape } from './step-shape.ts';

/** One quantity that grows while the others stay. */
export interface ScalingSeries {
  readonly name: 'pixels' | 'batch' | 'width';
  readonly title: string;
  readonly shapes: readonly StepShape[];
  /** What is plotted along x. */
  readonly quantity: (shape: StepShape) => number;
}

const BASE: StepShape = { size: 64, ngf: 16, ndf: 16, batch: 4 };

/** Time and memory are measured along these. */
export function scalingSeries(largestSize: number): ScalingSeries[] {
  return [
    {
      name: 'pixels',
      title: 'pixels of an image',
      shapes: [64, 128, 256]
        .filter((size) => size <= largestSize)
        .map((size) => ({ ...BASE, size, batch: 1 })),
      quantity: ({ size }) => size * size,
    },
    {
      name: 'batch',
      title: 'batch',
      shapes: [1, 2, 4, 8].map((batch) => ({ ...BASE, batch })),
      quantity: ({ batch }) => batch,
    },
    {
      name: 'width',
      title: 'channels (ngf = ndf)',
      shapes: [8, 16, 32, 64].map((width) => ({ ...BASE, ngf: width, ndf: width, batch: 1 })),
      quantity: ({ ngf }) => ngf,
    },
  ];
}

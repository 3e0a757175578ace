/** Decodes, simulates, enhances and scores images away from the page's thread. */
import { expose } from 'comlink';
import { type GrayImage, type Samples, scoreImages } from 'sonolift';
import { simulatePair } from 'sonolift/train';
import { readImageFile } from '../images/read-image.ts';
import { DeviceHolder } from './device.ts';
import { carryFailures } from './failures.ts';
import { ModelHolder } from './model-holder.ts';

export interface Enhanced {
  readonly image: GrayImage;
  /** Upload, network and readback. */
  readonly milliseconds: number;
  readonly adapter: string;
}

let running: AbortController | undefined;

const device = new DeviceHolder(() => model.forget());
const model = new ModelHolder(() => device.open());

/** Runs work on the device and lets the holder see how it fails. */
async function onDevice<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    device.note(error);
    throw error;
  }
}

const service = {
  /** Opens the device. @returns its adapter's name */
  openDevice: async (): Promise<string> => (await device.open()).description,

  setMemoryLimit(limit: number): void {
    device.memoryLimit = limit;
  },

  /**
   * Takes another model; the one before stays if this one cannot be loaded.
   * @param choice from 1, more for later choices
   * @param name what to call it in messages
   * @returns what it says of itself; undefined if a later choice was taken already
   */
  loadModel(
    choice: number,
    bytes: Uint8Array<ArrayBuffer>,
    name: string,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    return onDevice(async () => (await model.choose(choice, bytes, name))?.architecture);
  },

  /** @param tile side of the tiles, 0 for a whole image */
  enhance(
    image: GrayImage,
    tile: number,
    onProgress: (done: number, total: number) => void,
  ): Promise<Enhanced> {
    return onDevice(async () => {
      running = new AbortController();
      const { signal } = running;
      const generator = await model.current();
      const started = performance.now();
      const enhanced = await generator.enhance(image, { tile, onProgress, signal });
      const milliseconds = performance.now() - started;
      return { image: enhanced, milliseconds, adapter: generator.gpu.description };
    });
  },

  /** Stops before the next tile. */
  cancel(): void {
    running?.abort(new DOMException('stopped', 'AbortError'));
  },

  /** One frame of a video. */
  enhanceFrame(frame: Samples): Promise<GrayImage> {
    return onDevice(async () => (await model.current()).enhance(frame));
  },

  readImage: readImageFile,

  scoreImages: (image: GrayImage, reference: GrayImage): Record<string, number> =>
    scoreImages(image, reference),

  simulate: (seed: number, index: number, size: number) => simulatePair(seed, index, { size }),
};

export type EnhanceService = typeof service;

carryFailures();
expose(service);

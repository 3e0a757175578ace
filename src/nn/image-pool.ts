import { exchangeImages, SHOW, storeAt } from '../../kernels/exchange-images.ts';
import { philox4x32, streamId } from '../autograd/philox.ts';
import { emptyTensor, formatShape, runKernel, type Tensor } from '../autograd/tensor.ts';
import { CheckpointError, ShapeError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { persistentTensor, type Tensorlike } from './network.ts';

/** What becomes of a new image: it is returned, and may be stored; or an older one is returned for it. */
export interface PoolChoice {
  /** Place of the stored image that is returned in its stead and overwritten; undefined for none. */
  readonly swap: number | undefined;
}

/** Sets these draws apart from those of `RandomStream`, whose counters end in 0. */
const DRAW = 1;

/**
 * The choice for image `index` of a step once the pool is full: with probability ½ a uniformly drawn
 * place. A pure function of its arguments, so that a resumed run goes on without any state of a
 * random generator.
 */
export function poolChoice(
  seed: number,
  stream: number,
  step: number,
  index: number,
  capacity: number,
): PoolChoice {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [coin, place] = philox4x32([step, index, stream, DRAW], key);
  if (coin >= 2 ** 31) return { swap: undefined };
  return { swap: Math.floor((place / 2 ** 32) * capacity) };
}

/**
 * Earlier fakes, so that a discriminator does not forget what it has seen (Shrivastava et al. 2017;
 * pytorch-CycleGAN-and-pix2pix, `util/image_pool.py`). Image by image: while the pool is not full,
 * the new image is stored and returned; then with probability ½ a random stored one is returned and
 * replaced by the new one, else the new one is returned.
 *
 * The images stay on the device; which are exchanged is decided on the host from (seed, step) alone.
 */
export class ImagePool {
  readonly capacity: number;
  private readonly gpu: Gpu;
  private readonly seed: number;
  private readonly stream: number;
  private stored = 0;
  /** `[capacity,C,H,W]`, made when the first images tell their size. */
  private images: Tensor | undefined;

  /**
   * @param capacity images to keep; 0 for a pool that returns what it is given
   * @param name keeps the draws of several pools of one seed apart
   * @throws UsageError unless the capacity is a whole number of at least 0
   */
  constructor(gpu: Gpu, capacity: number, seed: number, name: string) {
    if (!Number.isInteger(capacity) || capacity < 0) {
      throw new UsageError(
        `image pool: expected a whole number of images of at least 0, found ${capacity}`,
      );
    }
    this.gpu = gpu;
    this.capacity = capacity;
    this.seed = seed;
    this.stream = streamId(`pool:${name}`);
  }

  /** Images stored so far. */
  get count(): number {
    return this.stored;
  }

  /**
   * Records exchanging a batch of fakes for what the discriminator is to see.
   * @param fakes `[N,C,H,W]`
   * @returns `[N,C,H,W]`, without history
   * @throws ShapeError if the images differ in size from those before
   */
  exchange(fakes: Tensor, step: number): Tensor {
    if (this.capacity === 0) return fakes.detach();
    const pool = this.poolFor(fakes);
    const result = emptyTensor(this.gpu, fakes.shape);
    const count = fakes.shape[0];
    const choices = this.gpu.uploadEachTime((moment) => this.choices(count, moment?.step ?? step));
    runKernel(exchangeImages(count, fakes.size / count), [fakes, choices, pool, result]);
    return result;
  }

  /** What becomes of the images of a step, as the kernel reads it. */
  private choices(count: number, step: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, index) => {
      if (this.stored < this.capacity) return storeAt(this.stored++, false);
      const { swap } = poolChoice(this.seed, this.stream, step, index, this.capacity);
      return swap === undefined ? SHOW : storeAt(swap, true);
    });
  }

  /** The stored images `[count,C,H,W]` on the host; `[0]` while there are none. */
  async readState(): Promise<Tensorlike> {
    if (!this.images || this.stored === 0) return { shape: [0], data: new Float32Array(0) };
    const shape = this.images.shape.with(0, this.stored);
    const all = await this.images.read();
    return { shape, data: all.slice(0, (all.length / this.capacity) * this.stored) };
  }

  /** @throws CheckpointError if these are not images, or more than fit */
  writeState({ shape, data }: Tensorlike, source: string): void {
    const isEmpty = shape.length === 1 && shape[0] === 0;
    if (!isEmpty && (shape.length !== 4 || shape[0] > this.capacity)) {
      throw new CheckpointError(
        `${source}: image pool: expected at most ${this.capacity} images [N,C,H,W], found ${formatShape(shape)}`,
      );
    }
    this.images?.dispose();
    this.images = undefined;
    this.stored = shape[0];
    if (isEmpty) return;
    const all = new Float32Array((data.length / shape[0]) * this.capacity);
    all.set(data);
    this.images = persistentTensor(this.gpu, all, shape.with(0, this.capacity));
  }

  dispose(): void {
    this.images?.dispose();
    this.images = undefined;
    this.stored = 0;
  }

  private poolFor(fakes: Tensor): Tensor {
    const shape = fakes.shape.with(0, this.capacity);
    if (!this.images) {
      const empty = new Float32Array((fakes.size / fakes.shape[0]) * this.capacity);
      this.images = persistentTensor(this.gpu, empty, shape);
    }
    if (fakes.shape.length !== 4 || this.images.shape.join() !== shape.join()) {
      throw new ShapeError(
        `image pool of ${formatShape(this.images.shape)} cannot take ${formatShape(fakes.shape)}`,
      );
    }
    return this.images;
  }
}
